-- Purpose: every lock on a relation that the sessions of a role hold in this database, the system's catalogue left out.
-- Columns: pid, relation (oid), mode (as pg_locks has it, without Lock at its end).
-- Lowest server version: 15.
SELECT l.pid, l.relation::bigint AS relation, regexp_replace(l.mode, 'Lock$', '') AS mode
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE a.usename = %(role)s AND a.datname = pg_catalog.current_database()
  AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
ORDER BY 1, 2, 3;
