-- Purpose: rows of a table that were written by a transaction not older than one, those left out that were seen earlier.
-- Columns: written (rows). Freezing a row leaves its xmin readable.
-- Lowest server version: 15.
SELECT pg_catalog.count(*) AS written
  FROM {table} AS t
 WHERE pg_catalog.age(t.xmin) <= (SELECT pg_catalog.age(%(oldest)s::xid8::xid)) AND t.xmin::text <> ALL (%(seen)s::text[]);
