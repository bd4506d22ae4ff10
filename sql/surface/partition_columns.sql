-- Purpose: the columns by which rows are spread over the partitions of one relation or of those it is a partition of.
-- Columns: column_name (empty: an expression).
-- Lowest server version: 15.
WITH RECURSIVE upwards (oid) AS (
    SELECT %(oid)s::oid
    UNION
    SELECT i.inhparent FROM pg_catalog.pg_inherits AS i JOIN upwards AS u ON i.inhrelid = u.oid
)
SELECT DISTINCT coalesce(a.attname::text, '') AS column_name
FROM upwards AS u
JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = u.oid
CROSS JOIN LATERAL unnest(p.partattrs::int2[]) AS k (number)
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = k.number
ORDER BY column_name;
