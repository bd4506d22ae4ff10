-- Purpose: where the rows of the named tables lie: a plain table itself, a partitioned one's last partitions.
-- Columns: table_name, leaf_schema, leaf_name, leaf (oid).
-- Lowest server version: 15.
SELECT c.relname AS table_name, m.nspname AS leaf_schema, l.relname AS leaf_name, l.oid AS leaf
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT c.oid AS relid WHERE c.relkind = 'r'
    UNION
    SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE c.relkind = 'p'
) AS t
JOIN pg_catalog.pg_class AS l ON l.oid = t.relid AND l.relkind = 'r'
JOIN pg_catalog.pg_namespace AS m ON m.oid = l.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
ORDER BY 1, 2, 3;
