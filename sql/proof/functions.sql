-- Purpose: every function that a text may call by a name, in one schema or, where none is written, in all of them.
-- Columns: oid.
-- Lowest server version: 15.
SELECT DISTINCT p.oid
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted (schema_name, function_name)
JOIN pg_catalog.pg_proc AS p ON p.proname = wanted.function_name
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND (wanted.schema_name = '' OR n.nspname = wanted.schema_name)
ORDER BY p.oid;
