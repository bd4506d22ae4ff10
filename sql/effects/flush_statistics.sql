-- Purpose: let the next read see the cumulative statistics as they are now.
-- Columns: none of use (two voids).
-- Lowest server version: 15.
SELECT pg_catalog.pg_stat_force_next_flush(), pg_catalog.pg_stat_clear_snapshot();
