-- Purpose: tuples inserted, updated and deleted since the statistics began; rolled back ones count too.
-- Columns: table_name (schema.name), inserted, updated, deleted (tuples).
-- Lowest server version: 15.
SELECT schemaname || '.' || relname AS table_name,
       n_tup_ins AS inserted,
       n_tup_upd AS updated,
       n_tup_del AS deleted
FROM pg_catalog.pg_stat_user_tables
ORDER BY 1;
