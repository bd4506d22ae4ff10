-- Purpose: functions that PostgreSQL calls by itself, described like those of surface/functions.
-- Columns: oid, schema_name, function_name, language, volatility (i, s, v), is_security_definer, owner_name, is_system,
-- takes_row, takes_one (always false).
-- Lowest server version: 15.
SELECT p.oid, n.nspname::text AS schema_name, p.proname::text AS function_name, l.lanname::text AS language,
       p.provolatile::text AS volatility, p.prosecdef AS is_security_definer,
       pg_catalog.pg_get_userbyid(p.proowner)::text AS owner_name, p.oid < 16384 AS is_system, false AS takes_row,
       false AS takes_one
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.oid = ANY (%(oids)s::oid[])
ORDER BY p.oid;
