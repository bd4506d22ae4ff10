-- Purpose: make the copy's empty database from the pristine template.
-- Columns: none.
-- Lowest server version: 15.
CREATE DATABASE {database} OWNER {owner} TEMPLATE template0;
