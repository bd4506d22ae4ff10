-- Purpose: the tables of the system catalogue, shared ones included, without the planner's statistics.
-- Columns: table_name.
-- Lowest server version: 15.
SELECT c.relname AS table_name
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
  AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')
ORDER BY c.relname;
