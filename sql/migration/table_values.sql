-- Purpose: a sum over the hashes of all rows of one table, the same for every order of rows and columns.
-- Columns: total (text; 0 for an empty table).
-- Lowest server version: 15.
SELECT coalesce(sum(pg_catalog.hashtextextended(to_jsonb(t.*)::text, 0)::numeric), 0)::text AS total FROM {table} AS t;
