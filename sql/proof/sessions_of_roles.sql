-- Purpose: the living sessions of some roles in this database.
-- Columns: pid, user_name.
-- Lowest server version: 15.
SELECT a.pid, a.usename::text AS user_name
FROM pg_catalog.pg_stat_activity AS a
WHERE a.usename = ANY(%(roles)s::text[]) AND a.datname = pg_catalog.current_database()
ORDER BY a.pid;
