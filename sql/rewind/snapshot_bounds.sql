-- Purpose: what this snapshot sees: all transactions before the oldest, none from the next one on.
-- Columns: oldest, next (text: numbers of 64 bits).
-- Lowest server version: 15.
SELECT pg_catalog.pg_snapshot_xmin(s)::text AS oldest, pg_catalog.pg_snapshot_xmax(s)::text AS next
  FROM pg_catalog.pg_current_snapshot() AS s;
