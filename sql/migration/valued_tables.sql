-- Purpose: the tables and filled materialized views of all user schemas, those of extensions too,
-- with their columns.
-- Columns: schema_name, table_name, columns (names, sorted).
-- Lowest server version: 15.
SELECT n.nspname AS schema_name, c.relname AS table_name,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname;
