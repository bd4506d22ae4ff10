-- Purpose: every constraint of all user schemas as PostgreSQL prints it (NOT VALID included), and what a dump
-- restores in statements of its own: NOT NULL, defaults, identity, row security and its policies.
-- Columns: definition (schema.table and the definition).
-- Lowest server version: 15.
WITH relation AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (
          SELECT 1 FROM pg_catalog.pg_depend AS d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      )
)
SELECT r.name || ' ' || k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid) AS definition
FROM relation AS r
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid AND k.contype IN ('p', 'u', 'f', 'x', 'c')
UNION ALL
SELECT 'domain ' || n.nspname || '.' || y.typname || ' ' || k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid)
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_type AS y ON y.oid = k.contypid
JOIN pg_catalog.pg_namespace AS n ON n.oid = y.typnamespace
WHERE k.contype = 'c' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT r.name || '.' || a.attname
       || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
       || CASE a.attidentity WHEN '' THEN '' ELSE ' identity ' || a.attidentity::text END
       || CASE a.attgenerated WHEN '' THEN '' ELSE ' generated ' || a.attgenerated::text END
       || coalesce(' DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
FROM relation AS r
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnotnull OR a.attidentity <> '' OR d.adbin IS NOT NULL
UNION ALL
SELECT r.name || ' ROW LEVEL SECURITY' || CASE WHEN r.relforcerowsecurity THEN ' FORCED' ELSE '' END
FROM relation AS r
WHERE r.relrowsecurity OR r.relforcerowsecurity
UNION ALL
SELECT r.name || ' POLICY ' || p.polname || ' ' || p.polcmd::text || ' ' || p.polpermissive::text
       || coalesce(' USING ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid), '')
       || coalesce(' WITH CHECK ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM relation AS r
JOIN pg_catalog.pg_policy AS p ON p.polrelid = r.oid
ORDER BY 1;
