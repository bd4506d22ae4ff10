-- Purpose: what some functions are made of, as far as the catalogue tells.
-- Columns: oid, schema_name, function_name, arguments (identity), language, prokind (f, p, a, w), is_system, source,
-- definition (empty for aggregates), sql_body (of BEGIN ATOMIC, else empty), defaults (an SQL list, else empty).
-- Lowest server version: 15.
SELECT p.oid, n.nspname::text AS schema_name, p.proname::text AS function_name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments, l.lanname::text AS language,
       p.prokind::text AS prokind, p.oid < 16384 AS is_system, p.prosrc AS source,
       CASE WHEN p.prokind IN ('f', 'p') AND p.oid >= 16384 THEN pg_catalog.pg_get_functiondef(p.oid) ELSE '' END AS definition,
       coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') AS sql_body,
       coalesce(pg_catalog.pg_get_expr(p.proargdefaults, 0), '') AS defaults
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.oid = ANY(%(oids)s::oid[])
ORDER BY p.oid;
