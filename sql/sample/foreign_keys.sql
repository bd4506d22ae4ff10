-- Purpose: the foreign keys, each once for every table that holds rows; a restore compares the rows of validated ones.
-- Columns: name, child_schema, child_table, child_columns (text[]), parent_schema, parent_table, parent_columns (text[]),
-- validated.
-- Lowest server version: 15.
SELECT k.conname AS name,
       cn.nspname AS child_schema,
       c.relname AS child_table,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
             ORDER BY u.place) AS child_columns,
       pn.nspname AS parent_schema,
       p.relname AS parent_table,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.attnum
             ORDER BY u.place) AS parent_columns,
       k.convalidated AS validated
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_constraint AS above
      WHERE above.oid = k.conparentid AND above.conrelid = k.conrelid
  )
ORDER BY 2, 3, 1;
