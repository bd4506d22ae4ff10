-- Purpose: the enabled triggers of one relation, with their definition, whose WHEN is evaluated too.
-- Columns: trigger_name, function_oid, definition.
-- Lowest server version: 15.
SELECT t.tgname::text AS trigger_name, t.tgfoid AS function_oid, pg_catalog.pg_get_triggerdef(t.oid) AS definition
FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = %(oid)s AND NOT t.tgisinternal AND t.tgenabled <> 'D'
ORDER BY t.tgname;
