-- Purpose: the tables of all user schemas that a pack can name; partitions go with their parent, and what belongs to
-- an extension with that.
-- Columns: schema_name, table_name, owner, estimated_rows (-1: never analysed), partitioned (boolean).
-- Lowest server version: 15.
SELECT n.nspname AS schema_name, c.relname AS table_name, pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       c.reltuples::bigint AS estimated_rows, c.relkind = 'p' AS partitioned
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY 1, 2;
