-- Purpose: the users' functions behind the operator classes of one relation's indexes, exclusions and partition key.
-- Columns: index_name, function_oid.
-- Lowest server version: 15.
WITH classes (index_name, class_oid) AS (
    SELECT i.indexrelid::regclass::text, k.class_oid
    FROM pg_catalog.pg_index AS i CROSS JOIN LATERAL unnest(i.indclass::oid[]) AS k (class_oid)
    WHERE i.indrelid = %(oid)s
    UNION
    SELECT 'partition key', k.class_oid
    FROM pg_catalog.pg_partitioned_table AS p CROSS JOIN LATERAL unnest(p.partclass::oid[]) AS k (class_oid)
    WHERE p.partrelid = %(oid)s
)
SELECT c.index_name, f.function_oid
FROM classes AS c
JOIN pg_catalog.pg_opclass AS o ON o.oid = c.class_oid
CROSS JOIN LATERAL (
    SELECT m.amproc::oid FROM pg_catalog.pg_amproc AS m WHERE m.amprocfamily = o.opcfamily
    UNION
    SELECT x.oprcode::oid FROM pg_catalog.pg_amop AS s JOIN pg_catalog.pg_operator AS x ON x.oid = s.amopopr
    WHERE s.amopfamily = o.opcfamily
) AS f (function_oid)
WHERE f.function_oid >= 16384
UNION
SELECT k.conname::text, x.oprcode::oid
FROM pg_catalog.pg_constraint AS k
CROSS JOIN LATERAL unnest(k.conexclop || k.conpfeqop || k.conppeqop || k.conffeqop) AS e (operator_oid)
JOIN pg_catalog.pg_operator AS x ON x.oid = e.operator_oid
WHERE %(oid)s IN (k.conrelid, k.confrelid) AND x.oprcode::oid >= 16384
ORDER BY index_name, function_oid;
