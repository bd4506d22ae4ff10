-- Purpose: make a database from the pristine template.
-- Columns: none.
-- Lowest server version: 15.
CREATE DATABASE {database} TEMPLATE template0;
