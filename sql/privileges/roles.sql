-- Purpose: attributes, settings and memberships of the named roles.
-- Columns: role_name, login, superuser, bypassrls, createdb, createrole, replication, inherit, connection_limit
-- (sessions, -1 for none), settings (name=value, sorted), database_settings (the same, in the named database),
-- member_of (names, sorted; " WITH ADMIN OPTION" behind those that may be passed on).
-- Lowest server version: 15.
SELECT r.rolname AS role_name, r.rolcanlogin AS login, r.rolsuper AS superuser, r.rolbypassrls AS bypassrls,
       r.rolcreatedb AS createdb, r.rolcreaterole AS createrole, r.rolreplication AS replication,
       r.rolinherit AS inherit, r.rolconnlimit AS connection_limit,
       ARRAY(
           SELECT s.setting
           FROM pg_catalog.pg_db_role_setting AS g, unnest(g.setconfig) AS s (setting)
           WHERE g.setrole = r.oid AND g.setdatabase = 0
           ORDER BY s.setting COLLATE "C"
       ) AS settings,
       ARRAY(
           SELECT s.setting
           FROM pg_catalog.pg_db_role_setting AS g
           JOIN pg_catalog.pg_database AS d ON d.oid = g.setdatabase,
                unnest(g.setconfig) AS s (setting)
           WHERE g.setrole = r.oid AND d.datname = %(database)s
           ORDER BY s.setting COLLATE "C"
       ) AS database_settings,
       ARRAY(
           SELECT DISTINCT (o.rolname || CASE WHEN m.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END) COLLATE "C"
           FROM pg_catalog.pg_auth_members AS m
           JOIN pg_catalog.pg_roles AS o ON o.oid = m.roleid
           WHERE m.member = r.oid
           ORDER BY 1
       ) AS member_of
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = ANY (%(roles)s)
ORDER BY r.rolname;
