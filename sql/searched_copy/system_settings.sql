-- Purpose: what ALTER SYSTEM wrote; reads the file, so that a setting not yet loaded shows too.
-- Columns: name, detail (the value).
-- Lowest server version: 15.
SELECT f.name, 'set to ' || f.setting AS detail
FROM pg_catalog.pg_file_settings AS f
WHERE f.sourcefile ~ 'postgresql\.auto\.conf$'
ORDER BY f.seqno;
