-- Purpose: make the copy's database anew from the template; closed until what a template does not bring is there.
-- Columns: none.
-- Lowest server version: 15.
CREATE DATABASE {database} OWNER {owner} TEMPLATE {template} STRATEGY FILE_COPY ALLOW_CONNECTIONS false
  CONNECTION LIMIT {limit};
