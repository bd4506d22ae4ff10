-- Purpose: functions of users that a name after a dot may call, because one argument can be a row: t.f is f(t).
-- Columns: oid.
-- Lowest server version: 15.
SELECT p.oid
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_type AS t ON p.pronargs >= 1 AND t.oid = p.proargtypes[0]
WHERE p.proname = ANY(%(names)s::text[]) AND p.oid >= 16384 AND p.pronargs - p.pronargdefaults <= 1
  AND (t.typtype IN ('c', 'd', 'p') OR t.oid = 'pg_catalog.record'::regtype)
ORDER BY p.oid;
