-- Purpose: the settings that sessions in one database begin with.
-- Columns: role_name ('' for everybody), setting (name=value).
-- Lowest server version: 15.
SELECT coalesce(r.rolname::text, '') AS role_name, s.setting
  FROM pg_catalog.pg_db_role_setting AS g
  JOIN pg_catalog.pg_database AS d ON d.oid = g.setdatabase
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.setrole,
       pg_catalog.unnest(g.setconfig) AS s (setting)
 WHERE d.datname = %(database)s
 ORDER BY 1, 2;
