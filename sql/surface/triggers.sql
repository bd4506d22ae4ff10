-- Purpose: the enabled triggers of one relation but those of PostgreSQL's own foreign keys.
-- Columns: trigger_name, verbs (array of INSERT, UPDATE, DELETE, TRUNCATE), function_oid.
-- Lowest server version: 15.
SELECT t.tgname::text AS trigger_name,
       array_remove(ARRAY[CASE WHEN t.tgtype & 4 <> 0 THEN 'INSERT' END, CASE WHEN t.tgtype & 8 <> 0 THEN 'DELETE' END,
                          CASE WHEN t.tgtype & 16 <> 0 THEN 'UPDATE' END, CASE WHEN t.tgtype & 32 <> 0 THEN 'TRUNCATE' END],
                    NULL) AS verbs,
       t.tgfoid AS function_oid
FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = %(oid)s AND NOT t.tgisinternal AND t.tgenabled <> 'D'
ORDER BY t.tgname;
