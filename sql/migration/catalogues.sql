-- Purpose: the tables of the system catalogue, shared ones included, that say what a database is: neither the planner's
-- statistics, nor large objects' pages, nor dependencies, which follow from the rest or are asked for by themselves.
-- Columns: name, columns (names, in their order).
-- Lowest server version: 15.
SELECT c.relname AS name, pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind = 'r'
  AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_depend', 'pg_shdepend')
GROUP BY c.relname
ORDER BY c.relname;
