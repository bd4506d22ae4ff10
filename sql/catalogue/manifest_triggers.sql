-- Purpose: every trigger of all user schemas that no constraint made, with its state.
-- Columns: definition (state: O origin, D disabled, R replica, A always).
-- Lowest server version: 15.
SELECT pg_catalog.pg_get_triggerdef(g.oid) || ' (enabled: ' || g.tgenabled::text || ')' AS definition
FROM pg_catalog.pg_trigger AS g
JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1;
