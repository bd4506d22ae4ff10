-- Purpose: the 64-bit name of a transaction that a lock names by 32 bits; it began before this moment.
-- Columns: xid8 (text).
-- Lowest server version: 15.
SELECT (CASE WHEN (top & ~4294967295) + %(xid)s::bigint > top THEN (top & ~4294967295) + %(xid)s::bigint - 4294967296
             ELSE (top & ~4294967295) + %(xid)s::bigint END)::text AS xid8
FROM (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS top) AS now_at;
