-- Purpose: live rows of each named table as the server's statistics have heard of them: committed ones.
-- Columns: place (of the table in the list, from 1), live_rows (0 for a table that is gone).
-- Lowest server version: 15.
SELECT t.place, pg_catalog.pg_stat_get_live_tuples(t.relation) AS live_rows
FROM ROWS FROM (pg_catalog.unnest(%(relations)s::pg_catalog.oid[])) WITH ORDINALITY AS t (relation, place)
ORDER BY 1;
