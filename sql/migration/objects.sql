-- Purpose: what the manifest does not name: schemas, relations with their owners, columns with their types, sequences'
-- definitions, enums, domains, comments and default privileges of all user schemas.
-- Columns: definition (a sentence).
-- Lowest server version: 15.
WITH space AS (
    SELECT oid, nspname, nspowner FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
    SELECT c.*, CASE WHEN s.nspname ~ '[."]' THEN pg_catalog.quote_ident(s.nspname) ELSE s.nspname END || '.' || c.relname AS name
    FROM pg_catalog.pg_class AS c JOIN space AS s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
)
SELECT 'schema ' || nspname || ' owned by ' || pg_catalog.pg_get_userbyid(nspowner) AS definition FROM space
UNION ALL
SELECT CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'm' THEN 'materialized view'
       WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign table' ELSE 'sequence' END
       || ' ' || name || ' owned by ' || pg_catalog.pg_get_userbyid(relowner)
       || CASE relpersistence WHEN 'u' THEN ' unlogged' ELSE '' END
       || coalesce(' with ' || array_to_string(reloptions, ','), '')
       || CASE WHEN relispartition THEN ' partition ' || pg_catalog.pg_get_expr(relpartbound, oid) ELSE '' END
FROM relation
UNION ALL
SELECT 'column ' || r.name || '.' || a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM relation AS r
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE r.relkind <> 'S'
UNION ALL
SELECT 'sequence ' || r.name || ' as ' || pg_catalog.format_type(q.seqtypid, NULL) || ' start ' || q.seqstart
       || ' increment ' || q.seqincrement || ' from ' || q.seqmin || ' to ' || q.seqmax || ' cache ' || q.seqcache
       || CASE WHEN q.seqcycle THEN ' cycle' ELSE '' END
FROM relation AS r JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
UNION ALL
SELECT 'enum ' || s.nspname || '.' || t.typname || ' (' || (
           SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid
       ) || ')'
FROM pg_catalog.pg_type AS t JOIN space AS s ON s.oid = t.typnamespace WHERE t.typtype = 'e'
UNION ALL
SELECT 'domain ' || s.nspname || '.' || t.typname || ' ' || pg_catalog.format_type(t.typbasetype, t.typtypmod)
FROM pg_catalog.pg_type AS t JOIN space AS s ON s.oid = t.typnamespace WHERE t.typtype = 'd'
UNION ALL
SELECT 'comment on ' || r.name || CASE WHEN d.objsubid = 0 THEN '' ELSE '.' || a.attname END || ': ' || d.description
FROM relation AS r
JOIN pg_catalog.pg_description AS d ON d.objoid = r.oid AND d.classoid = 'pg_catalog.pg_class'::regclass
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = d.objsubid
UNION ALL
SELECT 'default privileges of ' || pg_catalog.pg_get_userbyid(p.defaclrole) || ' for ' || p.defaclobjtype::text
       || ': ' || array_to_string(p.defaclacl, ',')
FROM pg_catalog.pg_default_acl AS p
ORDER BY 1;
