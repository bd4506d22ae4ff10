-- Purpose: SECURITY DEFINER functions in whatever schema; PostgreSQL itself brings none.
-- Columns: name (with argument types), detail (owner).
-- Lowest server version: 15.
SELECT n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' AS name,
       'runs as ' || pg_get_userbyid(p.proowner) AS detail
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.prosecdef
ORDER BY 1;
