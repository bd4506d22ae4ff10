-- Purpose: two sums over hashes of all rows of one table, each column as text and NULL unlike every text, the same for
-- every order of the rows.
-- Columns: total (text; "0 0" for an empty table).
-- Lowest server version: 15.
SELECT coalesce(sum(pg_catalog.hashtextextended(r.content, 0)::numeric), 0)::text || ' '
       || coalesce(sum(pg_catalog.hashtextextended(r.content, 7919)::numeric), 0)::text AS total
FROM (SELECT ROW({columns})::text AS content FROM ONLY {table}) AS r (content);
