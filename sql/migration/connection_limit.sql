-- Purpose: how many sessions a role may have at a time.
-- Columns: connection_limit (-1 for any number); no row where there is no such role.
-- Lowest server version: 15.
SELECT r.rolconnlimit AS connection_limit FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(role)s;
