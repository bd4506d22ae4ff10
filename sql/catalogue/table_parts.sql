-- Purpose: what hangs on the named tables besides columns: keys, checks, indexes, triggers, rules, enums.
-- Columns: table_name, part (the field of the inventory's Table), definition (PostgreSQL's own words).
-- Lowest server version: 15.
WITH named AS (
    SELECT c.oid, c.relname
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')
)
SELECT t.relname AS table_name,
       CASE k.contype WHEN 'c' THEN 'checks' ELSE 'keys' END AS part,
       k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid) AS definition
FROM named AS t
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f', 'x', 'c')
UNION ALL
SELECT t.relname, 'indexes',
       pg_catalog.pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
FROM named AS t
JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint AS k
    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
)
UNION ALL
SELECT t.relname, 'triggers', pg_catalog.pg_get_triggerdef(g.oid) || ' (enabled: ' || g.tgenabled::text || ')'
FROM named AS t
JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal
UNION ALL
SELECT t.relname, 'rules', pg_catalog.pg_get_ruledef(r.oid) || ' (enabled: ' || r.ev_enabled::text || ')'
FROM named AS t
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = t.oid
UNION ALL
SELECT DISTINCT t.relname, 'enums', pg_catalog.format_type(e.oid, NULL)
FROM named AS t
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
JOIN pg_catalog.pg_type AS e ON e.oid IN (y.oid, y.typelem, y.typbasetype) AND e.typtype = 'e'
ORDER BY 1, 2, 3;
