-- Purpose: relations that were reached through another one, described like those of surface/relations.
-- Columns: oid, schema_name, relation_name, relation_kind (pg_class.relkind), is_system, view_definition (empty: no view).
-- Lowest server version: 15.
SELECT c.oid, n.nspname::text AS schema_name, c.relname::text AS relation_name, c.relkind::text AS relation_kind,
       c.oid < 16384 AS is_system,
       CASE WHEN c.relkind = 'v' AND c.oid >= 16384 THEN pg_catalog.pg_get_viewdef(c.oid) ELSE '' END AS view_definition
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY (%(oids)s::oid[])
ORDER BY c.oid;
