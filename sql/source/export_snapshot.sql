-- Purpose: name the open transaction's snapshot for pg_dump --snapshot.
-- Columns: snapshot (text).
-- Lowest server version: 15.
SELECT pg_catalog.pg_export_snapshot() AS snapshot;
