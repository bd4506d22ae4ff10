-- Purpose: let the next look at the server's activity be a new one; a transaction keeps what it has seen of it.
-- Columns: forgotten (void).
-- Lowest server version: 15.
SELECT pg_catalog.pg_stat_clear_snapshot() AS forgotten;
