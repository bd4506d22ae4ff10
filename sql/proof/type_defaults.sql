-- Purpose: the defaults of domains: a column or variable without a default of its own takes them.
-- Columns: domain_name, expression (SQL).
-- Lowest server version: 15.
SELECT t.oid::regtype::text AS domain_name, pg_catalog.pg_get_expr(t.typdefaultbin, 0) AS expression
FROM pg_catalog.pg_type AS t
WHERE t.oid = ANY (%(oids)s::oid[]) AND t.typdefaultbin IS NOT NULL
ORDER BY domain_name;
