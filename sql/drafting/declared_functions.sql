-- Purpose: the database's own functions that its tables run by themselves: in triggers, defaults, generated columns,
-- checks and indexes. What a frozen inventory declares is allowed to run.
-- Columns: function_name (schema.name).
-- Lowest server version: 15.
SELECT DISTINCT n.nspname || '.' || p.proname AS function_name
FROM (
    SELECT g.tgrelid AS relation, g.tgfoid AS function
    FROM pg_catalog.pg_trigger AS g WHERE NOT g.tgisinternal
    UNION
    SELECT f.adrelid, d.refobjid
    FROM pg_catalog.pg_attrdef AS f
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    UNION
    SELECT k.conrelid, d.refobjid
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND k.conrelid <> 0
    UNION
    SELECT i.indrelid, d.refobjid
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
) AS used
JOIN pg_catalog.pg_class AS c ON c.oid = used.relation
JOIN pg_catalog.pg_namespace AS m ON m.oid = c.relnamespace
JOIN pg_catalog.pg_proc AS p ON p.oid = used.function
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE m.nspname || '.' || c.relname = ANY (%(relations)s) AND n.nspname <> 'pg_catalog'
ORDER BY 1;
