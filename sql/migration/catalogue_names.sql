-- Purpose: what the objects of one catalogue are called, with their schemas and arguments, whatever their oids are.
-- Columns: oid, name.
-- Lowest server version: 15.
SELECT t.oid::bigint AS oid, i.identity AS name
FROM {catalogue} AS t
CROSS JOIN LATERAL pg_catalog.pg_identify_object(t.tableoid, t.oid, 0) AS i;
