-- Purpose: how far the tables are whose rows pg_dump reads now, while its snapshot's session has nothing else to do.
-- Columns: relation (schema.table, text), rows (bigint).
-- Lowest server version: 15.
SELECT namespace.nspname || '.' || relation.relname AS relation, pg_catalog.max(copying.tuples_processed) AS rows
FROM pg_catalog.pg_stat_progress_copy AS copying
JOIN pg_catalog.pg_class AS relation ON relation.oid = copying.relid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE copying.datname = pg_catalog.current_database() AND copying.command = 'COPY TO'
    AND copying.tuples_processed IS NOT NULL
GROUP BY namespace.nspname, relation.relname;
