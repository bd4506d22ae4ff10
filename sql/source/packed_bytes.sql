-- Purpose: bytes of what the server may keep compressed: values out of line (TOAST) and large objects.
-- Columns: packed_bytes (bytes).
-- Lowest server version: 15.
SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(c.oid)), 0)::bigint AS packed_bytes
FROM pg_catalog.pg_class AS c
WHERE c.relkind = 't' OR c.oid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass;
