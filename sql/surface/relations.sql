-- Purpose: the relations that a text may mean by a name: of one schema, or of every schema where none is written.
-- Columns: oid, schema_name, relation_name, relation_kind (pg_class.relkind), is_system, view_definition (empty: no view).
-- Lowest server version: 15.
SELECT DISTINCT c.oid, n.nspname::text AS schema_name, c.relname::text AS relation_name, c.relkind::text AS relation_kind,
       c.oid < 16384 AS is_system,
       CASE WHEN c.relkind = 'v' AND c.oid >= 16384 THEN pg_catalog.pg_get_viewdef(c.oid) ELSE '' END AS view_definition
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted (schema_name, relation_name)
JOIN pg_catalog.pg_class AS c ON c.relname = wanted.relation_name
JOIN pg_catalog.pg_namespace AS n
  ON n.oid = c.relnamespace AND (wanted.schema_name = '' OR n.nspname = wanted.schema_name)
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
ORDER BY c.oid;
