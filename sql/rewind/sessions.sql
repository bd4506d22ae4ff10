-- Purpose: who is still there before the copy's database is dropped: sessions in it, and those of the subject's roles.
-- Columns: pid, role_name, state, since_s (seconds in that state), in_transaction (boolean).
-- Lowest server version: 15.
SELECT a.pid, coalesce(a.usename::text, '') AS role_name, coalesce(a.state, '') AS state,
       coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change), 0)::int AS since_s,
       a.xact_start IS NOT NULL AS in_transaction
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid <> pg_catalog.pg_backend_pid()
   AND a.backend_type <> 'autovacuum worker'
   AND (a.datname = %(database)s OR a.usename = ANY (%(roles)s))
 ORDER BY a.pid;
