-- Purpose: which transactions were visible at this moment.
-- Columns: snapshot (pg_snapshot as text).
-- Lowest server version: 15.
SELECT pg_catalog.pg_current_snapshot()::text AS snapshot;
