-- Purpose: which of the named tables exist in a schema.
-- Columns: table_name.
-- Lowest server version: 15.
SELECT c.relname AS table_name
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')
ORDER BY c.relname;
