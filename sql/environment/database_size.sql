-- Purpose: how far the restore of the copy's database is.
-- Columns: size_bytes (bytes).
-- Lowest server version: 15.
SELECT pg_database_size(%(database)s) AS size_bytes;
