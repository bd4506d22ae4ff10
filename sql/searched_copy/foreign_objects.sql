-- Purpose: foreign data wrappers, servers, user mappings and tables, which turn a write into a remote one.
-- Columns: kind, name, detail. No option is read: they hold passwords.
-- Lowest server version: 15.
SELECT 'foreign data wrapper' AS kind, w.fdwname AS name, 'owned by ' || pg_get_userbyid(w.fdwowner) AS detail
FROM pg_catalog.pg_foreign_data_wrapper AS w
UNION ALL
SELECT 'foreign server', s.srvname, 'owned by ' || pg_get_userbyid(s.srvowner)
FROM pg_catalog.pg_foreign_server AS s
UNION ALL
SELECT 'user mapping', m.srvname, 'for ' || m.usename
FROM pg_catalog.pg_user_mappings AS m
UNION ALL
SELECT 'foreign table', n.nspname || '.' || c.relname, 'on server ' || s.srvname
FROM pg_catalog.pg_foreign_table AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.ftrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
ORDER BY 1, 2, 3;
