-- Purpose: every setting of a role or database; in all databases, since roles are shared.
-- Columns: role_name ('' for all roles), database_name ('' for all databases), setting (name=value).
-- Lowest server version: 15.
SELECT coalesce(r.rolname, '') AS role_name, coalesce(d.datname, '') AS database_name, s.setting
FROM pg_catalog.pg_db_role_setting AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.setrole
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = g.setdatabase
CROSS JOIN LATERAL unnest(g.setconfig) AS s (setting)
ORDER BY 1, 2, 3;
