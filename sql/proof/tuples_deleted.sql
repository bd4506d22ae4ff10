-- Purpose: how many rows of some tables were deleted since their statistics began, by everybody.
-- Columns: table_name (without schema), deleted.
-- Lowest server version: 15.
SELECT s.relname::text AS table_name, s.n_tup_del AS deleted
FROM pg_catalog.pg_stat_user_tables AS s
WHERE s.schemaname = %(schema)s AND s.relname = ANY(%(tables)s::text[])
ORDER BY s.relname;
