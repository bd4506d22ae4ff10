-- Purpose: roles for whose new objects the database has default privileges: a dump names them, too.
-- Columns: role_name.
-- Lowest server version: 15.
SELECT DISTINCT pg_catalog.pg_get_userbyid(d.defaclrole) AS role_name
FROM pg_catalog.pg_default_acl AS d
ORDER BY 1;
