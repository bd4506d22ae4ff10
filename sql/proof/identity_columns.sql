-- Purpose: the identity columns of one relation: an INSERT without a value moves their sequence.
-- Columns: column_name.
-- Lowest server version: 15.
SELECT a.attname::text AS column_name
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND a.attidentity <> '' AND NOT a.attisdropped
ORDER BY a.attnum;
