-- Purpose: the sequences of all user schemas that belong to a table's column (serial, identity, or OWNED BY).
-- Columns: schema_name, sequence_name, table_schema, table_name.
-- Lowest server version: 15.
SELECT n.nspname AS schema_name, s.relname AS sequence_name, m.nspname AS table_schema, t.relname AS table_name
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
JOIN pg_catalog.pg_namespace AS m ON m.oid = t.relnamespace
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2, 3, 4;
