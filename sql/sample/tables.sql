-- Purpose: every table of the user schemas that holds rows of its own, partitioned ones (which hold none) beside them.
-- Columns: schema_name, table_name, oid (text), partitioned, of_extension.
-- Lowest server version: 15.
SELECT n.nspname AS schema_name,
       c.relname AS table_name,
       c.oid::text AS oid,
       c.relkind = 'p' AS partitioned,
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_depend AS d
           WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
       ) AS of_extension
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2;
