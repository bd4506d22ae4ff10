-- Purpose: one digest over the rows of one catalogue that every PostgreSQL has.
-- Columns: digest (sha256 in hex; of nothing where there is no such row).
-- Lowest server version: 15.
SELECT encode(sha256(convert_to(coalesce(string_agg(r.digest, '' ORDER BY r.digest), ''), 'UTF8')), 'hex') AS digest
FROM (
    SELECT encode(sha256(convert_to((to_jsonb(t) - %(left_out)s::text[])::text, 'UTF8')), 'hex') AS digest
    FROM {catalogue} AS t
    WHERE t.{key}::oid < %(first)s::bigint::oid
) AS r;
