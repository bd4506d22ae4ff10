-- Purpose: the names of all roles, so that a new one can be called otherwise.
-- Columns: role_name.
-- Lowest server version: 15.
SELECT r.rolname AS role_name FROM pg_catalog.pg_roles AS r ORDER BY 1;
