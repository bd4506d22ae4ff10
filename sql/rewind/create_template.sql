-- Purpose: make the template of the prepared copy; nobody may be connected to the copy meanwhile, nor ever to this.
-- Columns: none.
-- Lowest server version: 15.
CREATE DATABASE {template} TEMPLATE {database} STRATEGY FILE_COPY ALLOW_CONNECTIONS false IS_TEMPLATE false;
