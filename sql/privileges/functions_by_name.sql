-- Purpose: the functions that a privilege matrix names, and how their arguments are written in a statement.
-- Columns: name (as privileges/grants has it), schema_name, function_name, arguments (types, parted by commas).
-- Lowest server version: 15.
SELECT n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' AS name,
       n.nspname AS schema_name,
       p.proname AS function_name,
       ARRAY_TO_STRING(ARRAY(
           SELECT pg_catalog.format_type(a.type, NULL)
           FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)
           ORDER BY a.place
       ), ', ') AS arguments
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'
      = ANY (%(names)s)
ORDER BY 1;
