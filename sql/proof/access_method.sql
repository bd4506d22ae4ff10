-- Purpose: the access methods of one relation and its indexes that somebody has added to the server.
-- Columns: relation_name, access_method.
-- Lowest server version: 15.
SELECT c.oid::regclass::text AS relation_name, m.amname::text AS access_method
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
WHERE (c.oid = %(oid)s OR i.indrelid = %(oid)s) AND m.oid >= 16384
  AND NOT (i.indexrelid IS NOT NULL AND EXISTS (
      SELECT FROM pg_catalog.pg_depend AS e
      WHERE e.classid = 'pg_catalog.pg_am'::regclass AND e.objid = m.oid AND e.deptype = 'e'))
ORDER BY relation_name;
