-- Purpose: the functions that a text may call by a name, user-defined or volatile.
-- Columns: oid, schema_name, function_name, language, volatility (i, s, v), is_security_definer, owner_name, is_system,
-- takes_row (a single row can be its argument, so that t.name calls it), takes_one (a single value can, so that
-- (value).name calls it).
-- Lowest server version: 15.
SELECT p.oid, n.nspname::text AS schema_name, p.proname::text AS function_name, l.lanname::text AS language,
       p.provolatile::text AS volatility, p.prosecdef AS is_security_definer,
       pg_catalog.pg_get_userbyid(p.proowner)::text AS owner_name, p.oid < 16384 AS is_system,
       p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
         AND (t.typtype IN ('c', 'd', 'p') OR t.oid = 'pg_catalog.record'::regtype) AS takes_row,
       p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1 AS takes_one
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS wanted (schema_name, function_name)
JOIN pg_catalog.pg_proc AS p ON p.proname = wanted.function_name
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND (wanted.schema_name = '' OR n.nspname = wanted.schema_name)
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_type AS t ON p.pronargs >= 1 AND t.oid = p.proargtypes[0]
WHERE p.oid >= 16384 OR p.provolatile = 'v'
ORDER BY p.oid;
