-- Purpose: the types of the columns of one relation.
-- Columns: oid.
-- Lowest server version: 15.
SELECT DISTINCT a.atttypid AS oid
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.atttypid;
