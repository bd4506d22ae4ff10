-- Purpose: the rows of one catalogue that are no part of every PostgreSQL, without the columns that say nothing lasting.
-- Columns: oid (of what the row is about), content (JSON as text).
-- Lowest server version: 15.
SELECT t.{key}::oid::bigint AS oid, (to_jsonb(t) - %(left_out)s::text[])::text AS content
FROM {catalogue} AS t
WHERE t.{key}::oid >= %(first)s::bigint::oid;
