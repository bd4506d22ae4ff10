-- Purpose: which of some dotted settings a loaded module knows, so that setting them does something.
-- Columns: setting_name.
-- Lowest server version: 15.
SELECT lower(s.name) AS setting_name
FROM pg_catalog.pg_settings AS s
WHERE lower(s.name) = ANY (%(names)s::text[]) AND s.name LIKE '%%.%%'
ORDER BY setting_name;
