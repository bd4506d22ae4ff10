-- Purpose: tell the demo's scripts how many rows to make, for this session.
-- Columns: rows (text).
-- Lowest server version: 15.
SELECT pg_catalog.set_config('drydock.demo_rows', %(rows)s, false) AS rows;
