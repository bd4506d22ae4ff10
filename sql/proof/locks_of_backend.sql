-- Purpose: every lock that some backends hold or wait for; every role may see them.
-- Columns: pid, lock_type, mode, granted, relation_name (schema.name, empty: no relation of this database),
-- relation_kind, xid (text, empty: none), waited_ms (rounded up; 0 for a lock that is held).
-- Lowest server version: 15.
SELECT l.pid, l.locktype AS lock_type, l.mode, l.granted,
       CASE WHEN c.oid IS NULL THEN '' ELSE n.nspname || '.' || c.relname END AS relation_name,
       coalesce(c.relkind::text, '') AS relation_kind, coalesce(l.transactionid::text, '') AS xid,
       CASE WHEN l.granted THEN 0
            ELSE 1 + greatest(0, coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart) * 1000, 0))::integer
       END AS waited_ms
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_class AS c
  ON c.oid = l.relation AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = ANY(%(pids)s::integer[])
ORDER BY l.pid, l.locktype, relation_name, l.mode, xid;
