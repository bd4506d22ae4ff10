-- Purpose: one digest over all rows of one catalogue table; no value leaves the server. The inserting
-- transaction is part of a row, so that a change that was undone shows; in-place updates by vacuum keep it.
-- Columns: digest (sha256 in hex; of nothing for an empty table).
-- Lowest server version: 15.
SELECT encode(sha256(convert_to(coalesce(string_agg(r.digest, '' ORDER BY r.digest), ''), 'UTF8')), 'hex') AS digest
FROM (
    SELECT encode(
               sha256(convert_to(t.xmin::text || (to_jsonb(t) - %(left_out)s::text[])::text, 'UTF8')), 'hex'
           ) AS digest
    FROM {table} AS t
) AS r;
