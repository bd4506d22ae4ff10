-- Purpose: the checks of domains.
-- Columns: domain_name, constraint_name, expression (SQL over VALUE).
-- Lowest server version: 15.
SELECT k.contypid::regtype::text AS domain_name, k.conname::text AS constraint_name,
       pg_catalog.pg_get_expr(k.conbin, 0) AS expression
FROM pg_catalog.pg_constraint AS k
WHERE k.contypid = ANY (%(oids)s::oid[]) AND k.contype = 'c'
ORDER BY domain_name, constraint_name;
