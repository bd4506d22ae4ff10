-- Purpose: what some roles may do by attribute alone.
-- Columns: role_name, is_superuser, bypasses_rls, may_replicate, creates_roles.
-- Lowest server version: 15.
SELECT r.rolname::text AS role_name, r.rolsuper AS is_superuser, r.rolbypassrls AS bypasses_rls,
       r.rolreplication AS may_replicate, r.rolcreaterole AS creates_roles
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = ANY(%(roles)s::text[])
ORDER BY r.rolname;
