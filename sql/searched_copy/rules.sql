-- Purpose: rewrite rules other than the views' own.
-- Columns: name (schema.relation.rule), detail (PostgreSQL's definition).
-- Lowest server version: 15.
SELECT n.nspname || '.' || c.relname || '.' || r.rulename AS name, pg_catalog.pg_get_ruledef(r.oid) AS detail
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.oid >= 16384 AND r.rulename <> '_RETURN'
ORDER BY 1;
