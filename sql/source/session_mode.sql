-- Purpose: what the open transaction on the source may do.
-- Columns: read_only ("on" or "off"), isolation (text).
-- Lowest server version: 15.
SELECT pg_catalog.current_setting('transaction_read_only') AS read_only,
       pg_catalog.current_setting('transaction_isolation') AS isolation;
