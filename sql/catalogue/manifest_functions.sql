-- Purpose: every function, procedure and aggregate of all user schemas, its body as a sha256.
-- Columns: definition (name with argument types, result, language, properties, sha256 of the source in hex).
-- Lowest server version: 15.
SELECT n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'
       || coalesce(' RETURNS ' || pg_catalog.pg_get_function_result(p.oid), '')
       || ' LANGUAGE ' || l.lanname || ' kind ' || p.prokind::text || ' volatility ' || p.provolatile::text
       || CASE WHEN p.prosecdef THEN ' SECURITY DEFINER' ELSE '' END
       || coalesce(' SET ' || array_to_string(p.proconfig, ', '), '')
       || ' sha256 '
       || encode(sha256(convert_to(
              p.prosrc || coalesce(p.probin, '') || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), ''), 'UTF8'
          )), 'hex') AS definition
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  )
ORDER BY 1;
