-- Purpose: every session of this database but the engine's own, whether it has written in its transaction, and each lock
-- that it holds on a relation, the system's catalogue left out.
-- Columns: pid, writes (its transaction has a number of its own), waits (for its client), relation (oid; NULL without a
-- lock), mode (as pg_locks has it, without Lock at its end).
-- Lowest server version: 15.
SELECT a.pid, a.backend_xid IS NOT NULL AS writes,
       coalesce(a.wait_event = 'ClientRead', false) AS waits,
       l.relation::bigint AS relation, regexp_replace(l.mode, 'Lock$', '') AS mode
FROM pg_catalog.pg_stat_activity AS a
LEFT JOIN pg_catalog.pg_locks AS l
    ON l.pid = a.pid AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
WHERE a.datname = pg_catalog.current_database() AND a.backend_type IN ('client backend', 'background worker')
  AND a.pid <> ALL (%(engines)s)
ORDER BY 1, 4, 5;
