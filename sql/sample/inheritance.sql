-- Purpose: which tables inherit from which others; partitions have the columns of the table that they are a part of.
-- Columns: child_schema, child_table, parent_schema, parent_table.
-- Lowest server version: 15.
SELECT cn.nspname AS child_schema, c.relname AS child_table, pn.nspname AS parent_schema, p.relname AS parent_table
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'r' AND NOT c.relispartition
JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent AND p.relkind = 'r'
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
ORDER BY 1, 2, 3, 4;
