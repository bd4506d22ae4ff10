-- Purpose: every view, materialized view and rule of all user schemas.
-- Columns: definition.
-- Lowest server version: 15.
SELECT n.nspname || '.' || c.relname
       || CASE c.relkind WHEN 'm' THEN ' MATERIALIZED' ELSE '' END
       || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '')
       || CASE WHEN c.relispopulated THEN '' ELSE ' (no data)' END
       || ' AS' || pg_catalog.pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
UNION ALL
SELECT pg_catalog.pg_get_ruledef(r.oid) || ' (enabled: ' || r.ev_enabled::text || ')'
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1;
