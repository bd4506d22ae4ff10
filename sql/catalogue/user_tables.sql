-- Purpose: the tables and the filled materialized views of all user schemas: what a restore must fill again.
-- Columns: schema_name, table_name, size_bytes (of its rows alone; 0 where it was dropped meanwhile).
-- Lowest server version: 15.
SELECT n.nspname AS schema_name, c.relname AS table_name, coalesce(pg_catalog.pg_relation_size(c.oid), 0) AS size_bytes
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname, c.relname;
