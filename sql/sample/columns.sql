-- Purpose: the columns of all tables of the user schemas, in their order.
-- Columns: schema_name, table_name, column_name, type (format_type), generated, in_key (primary, unique, foreign or
-- exclusion key, or a unique index), in_partition_key (of the table or of one that it is a partition of).
-- Lowest server version: 15.
SELECT n.nspname AS schema_name,
       c.relname AS table_name,
       a.attname AS column_name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attgenerated <> '' AS generated,
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_constraint AS k
           WHERE k.contype IN ('p', 'u', 'f', 'x')
             AND (k.conrelid = c.oid AND a.attnum = ANY (k.conkey) OR k.confrelid = c.oid AND a.attnum = ANY (k.confkey))
       ) OR EXISTS (
           SELECT 1 FROM pg_catalog.pg_index AS i
           WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey::int2[])
       ) AS in_key,
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_partition_ancestors(c.oid) AS above (relid)
           JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = above.relid
           JOIN pg_catalog.pg_attribute AS b
             ON b.attrelid = p.partrelid AND b.attname = a.attname AND b.attnum = ANY (p.partattrs::int2[])
       ) AS in_partition_key
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum;
