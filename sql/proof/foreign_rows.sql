-- Purpose: rows of one table that could have come since an earlier snapshot, and how many of them a transaction wrote
-- that the server calls committed and that is not one of ours. A snapshot names no subtransactions: whatever was written
-- since the oldest transaction that it saw running could have come since.
-- Columns: new_rows, of_others.
-- Lowest server version: 15.
WITH now_at AS (
    SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS top
), written AS MATERIALIZED (
    SELECT CASE WHEN (top & ~4294967295) + t.xmin::text::bigint >= top THEN (top & ~4294967295) + t.xmin::text::bigint - 4294967296
                ELSE (top & ~4294967295) + t.xmin::text::bigint END AS xid
    FROM {table} AS t CROSS JOIN now_at
), unseen AS MATERIALIZED (
    SELECT w.xid FROM written AS w
    WHERE w.xid > 2 AND w.xid >= pg_catalog.pg_snapshot_xmin(%(before)s::pg_snapshot)::text::bigint
)
SELECT count(*) AS new_rows,
       count(*) FILTER (WHERE pg_catalog.pg_xact_status(u.xid::text::xid8) = 'committed' AND u.xid::text <> ALL(%(xids)s::text[])) AS of_others
FROM unseen AS u;
