-- Purpose: the expressions that PostgreSQL evaluates by itself when one relation is read or written.
-- Columns: what (default, generated, check, index, partition, policy), object_name, expression (SQL; several, joined by commas).
-- Lowest server version: 15.
SELECT CASE WHEN a.attgenerated <> '' THEN 'generated' ELSE 'default' END AS what,
       a.attname::text AS object_name, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_catalog.pg_attrdef AS d
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = %(oid)s
UNION ALL
SELECT 'check', k.conname::text, pg_catalog.pg_get_expr(k.conbin, k.conrelid)
FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = %(oid)s AND k.contype = 'c'
UNION ALL
SELECT 'index', i.indexrelid::regclass::text, e.expression
FROM pg_catalog.pg_index AS i
CROSS JOIN LATERAL (VALUES (pg_catalog.pg_get_expr(i.indexprs, i.indrelid)),
                           (pg_catalog.pg_get_expr(i.indpred, i.indrelid))) AS e (expression)
WHERE i.indrelid = %(oid)s AND e.expression IS NOT NULL
UNION ALL
SELECT 'partition', p.partrelid::regclass::text, pg_catalog.pg_get_expr(p.partexprs, p.partrelid)
FROM pg_catalog.pg_partitioned_table AS p
WHERE p.partrelid = %(oid)s AND p.partexprs IS NOT NULL
UNION ALL
SELECT 'policy', y.polname::text, e.expression
FROM pg_catalog.pg_policy AS y
CROSS JOIN LATERAL (VALUES (pg_catalog.pg_get_expr(y.polqual, y.polrelid)),
                           (pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid))) AS e (expression)
WHERE y.polrelid = %(oid)s AND e.expression IS NOT NULL
ORDER BY what, object_name, expression;
