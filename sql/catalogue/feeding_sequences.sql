-- Purpose: the sequences behind the named tables' columns: identity, serial, or named in a default. A row that is
-- tried moves them, also when it is rolled back.
-- Columns: schema_name, sequence_name.
-- Lowest server version: 15.
WITH named AS (
    SELECT c.oid
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')
    UNION
    SELECT t.relid
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS t
    WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind = 'p'
)
SELECT m.nspname AS schema_name, s.relname AS sequence_name
FROM pg_catalog.pg_class AS s
JOIN pg_catalog.pg_namespace AS m ON m.oid = s.relnamespace
WHERE s.relkind = 'S' AND (
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.oid AND d.deptype = 'i'
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN (SELECT oid FROM named)
    )
    OR EXISTS (
        SELECT 1 FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.oid
          AND f.adrelid IN (SELECT oid FROM named)
    )
)
ORDER BY 1, 2;
