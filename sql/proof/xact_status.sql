-- Purpose: what the server says of one transaction: in progress, committed, aborted, or nothing any more.
-- Columns: status (empty: forgotten).
-- Lowest server version: 15.
SELECT coalesce(pg_catalog.pg_xact_status(%(xid)s::text::xid8), '') AS status;
