-- Purpose: which transactions not older than one wrote rows of a table that can be seen; those of savepoints, too.
-- Columns: writer (text: xmin).
-- Lowest server version: 15.
SELECT DISTINCT t.xmin::text AS writer
  FROM {table} AS t
 WHERE pg_catalog.age(t.xmin) <= (SELECT pg_catalog.age(%(oldest)s::xid8::xid));
