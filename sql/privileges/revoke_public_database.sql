-- Purpose: take PUBLIC's built-in privileges on a database away; a dump without CREATE DATABASE has no such line.
-- Columns: none.
-- Lowest server version: 15.
REVOKE ALL PRIVILEGES ON DATABASE {object} FROM PUBLIC;
