-- Purpose: the partitioned tables of all user schemas with the tables below them that hold rows, foreign ones left out.
-- Columns: schema_name, table_name, leaf_schema, leaf_name (both NULL where nothing lies below).
-- Lowest server version: 15.
SELECT n.nspname AS schema_name, c.relname AS table_name, m.nspname AS leaf_schema, l.relname AS leaf_name
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS t ON t.isleaf AND t.relid <> c.oid
LEFT JOIN pg_catalog.pg_class AS l ON l.oid = t.relid AND l.relkind = 'r'
LEFT JOIN pg_catalog.pg_namespace AS m ON m.oid = l.relnamespace
WHERE c.relkind = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2, 3, 4;
