-- Purpose: every index of all user schemas; an invalid one says so.
-- Columns: definition.
-- Lowest server version: 15.
SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
       || CASE WHEN i.indisvalid AND i.indisready THEN '' ELSE ' (invalid)' END AS definition
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY 1;
