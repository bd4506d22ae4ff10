-- Purpose: what some functions are made of, as far as the catalogue tells.
-- Columns: oid, schema_name, function_name, arguments (identity), language, prokind (f, p, a, w), is_system, source,
-- definition (empty for aggregates), sql_body (of BEGIN ATOMIC, else empty), defaults (an SQL list, else empty), types (oids
-- of arguments and result), of_extension, stands_for (PostgreSQL's own names for the same code, language internal only).
-- Lowest server version: 15.
SELECT p.oid, n.nspname::text AS schema_name, p.proname::text AS function_name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments, l.lanname::text AS language,
       p.prokind::text AS prokind, p.oid < 16384 AS is_system, p.prosrc AS source,
       CASE WHEN p.prokind IN ('f', 'p') AND p.oid >= 16384 THEN pg_catalog.pg_get_functiondef(p.oid) ELSE '' END AS definition,
       coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') AS sql_body,
       coalesce(pg_catalog.pg_get_expr(p.proargdefaults, 0), '') AS defaults,
       ARRAY(SELECT DISTINCT t FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) AS t ORDER BY t) AS types,
       EXISTS (SELECT FROM pg_catalog.pg_depend AS e
               WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e') AS of_extension,
       CASE WHEN l.lanname = 'internal' AND p.oid >= 16384
            THEN ARRAY(SELECT DISTINCT o.proname::text FROM pg_catalog.pg_proc AS o
                       WHERE o.oid < 16384 AND o.prolang = p.prolang AND o.prosrc = p.prosrc ORDER BY 1)
            ELSE ARRAY[]::text[] END AS stands_for
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.oid = ANY(%(oids)s::oid[])
ORDER BY p.oid;
