-- Purpose: who one backend is; every role may see these columns of every session.
-- Columns: user_name, database_name, application_name.
-- Lowest server version: 15.
SELECT a.usename::text AS user_name, a.datname::text AS database_name, a.application_name
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = %(pid)s AND a.backend_type IS DISTINCT FROM 'parallel worker';
