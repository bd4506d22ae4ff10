-- Purpose: the types that a text may mean by a name.
-- Columns: oid.
-- Lowest server version: 15.
SELECT DISTINCT t.oid
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted (schema_name, type_name)
JOIN pg_catalog.pg_type AS t ON t.typname = wanted.type_name
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace AND (wanted.schema_name = '' OR n.nspname = wanted.schema_name)
ORDER BY t.oid;
