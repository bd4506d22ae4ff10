-- Purpose: the relations of all user schemas that have locks or storage of their own, TOAST and its index included.
-- Columns: relation (oid), name (schema.name; a schema with a dot or a quote in
-- quotes, as console.model.catalogue.full_name has it), kind (relkind), table_name (of an index or a TOAST table, else its own),
-- filenode (0: no storage), size_bytes (tables: with indexes and TOAST; others: their own).
-- Lowest server version: 15.
SELECT c.oid::bigint AS relation, CASE WHEN n.nspname ~ '[."]' THEN pg_catalog.quote_ident(n.nspname) ELSE n.nspname END || '.' || c.relname AS name, c.relkind::text AS kind,
       coalesce(CASE WHEN tn.nspname ~ '[."]' THEN pg_catalog.quote_ident(tn.nspname) ELSE tn.nspname END || '.' || t.relname,
                CASE WHEN n.nspname ~ '[."]' THEN pg_catalog.quote_ident(n.nspname) ELSE n.nspname END || '.' || c.relname) AS table_name,
       coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint AS filenode,
       CASE WHEN c.relkind IN ('r', 'm', 't', 'i') THEN
            CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_total_relation_size(c.oid) ELSE pg_catalog.pg_relation_size(c.oid) END
       ELSE 0 END::bigint AS size_bytes
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS h ON h.reltoastrelid = coalesce(i.indrelid, c.oid)
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = coalesce(h.oid, i.indrelid)
LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 't', 'S', 'v', 'f') AND c.relpersistence <> 't'
  AND (n.nspname !~ '^pg_' OR n.nspname = 'pg_toast') AND n.nspname <> 'information_schema'
ORDER BY 1;
