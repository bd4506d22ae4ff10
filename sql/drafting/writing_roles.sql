-- Purpose: who may log in, and in how many tables of each user schema it may insert or update; the superusers too,
-- for whom nothing is refused.
-- Columns: role_name, superuser (boolean), schema_name ('' for a role that may write nowhere), writable_tables.
-- Lowest server version: 15.
SELECT r.rolname AS role_name, r.rolsuper AS superuser, coalesce(n.nspname, '') AS schema_name,
       count(c.oid) AS writable_tables
FROM pg_catalog.pg_roles AS r
LEFT JOIN (
    pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
) ON c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
    AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
WHERE r.rolcanlogin AND r.rolname !~ '^pg_'
GROUP BY 1, 2, 3
ORDER BY 1, 3;
