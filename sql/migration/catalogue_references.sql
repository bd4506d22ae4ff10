-- Purpose: which columns of the catalogue hold oids of which catalogue.
-- Columns: catalogue, column_name, referenced (catalogue).
-- Lowest server version: 15.
SELECT DISTINCT c.relname AS catalogue, k.fkcols[1] AS column_name, r.relname AS referenced
FROM pg_catalog.pg_get_catalog_foreign_keys() AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.fktable
JOIN pg_catalog.pg_class AS r ON r.oid = k.pktable
WHERE pg_catalog.cardinality(k.fkcols) = 1 AND k.pkcols = ARRAY['oid']
ORDER BY 1, 2;
