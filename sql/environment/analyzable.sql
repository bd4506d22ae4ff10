-- Purpose: what ANALYZE without a name would look at, the largest first; a partitioned table stands for its parts.
-- Columns: schema_name, table_name, size_bytes (of its rows, and of all its parts), own (false: PostgreSQL's catalogue).
-- Lowest server version: 15.
SELECT n.nspname AS schema_name, c.relname AS table_name, s.size_bytes,
       n.nspname NOT IN ('pg_catalog', 'information_schema') AS own
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT coalesce(sum(pg_catalog.pg_relation_size(t.relid)), 0)::bigint AS size_bytes
    FROM (
        SELECT c.oid AS relid WHERE c.relkind <> 'p'
        UNION ALL
        SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE c.relkind = 'p'
    ) AS t
) AS s
WHERE c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
ORDER BY s.size_bytes DESC, n.nspname, c.relname;
