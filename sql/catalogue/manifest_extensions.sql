-- Purpose: the installed extensions.
-- Columns: definition (name and version).
-- Lowest server version: 15.
SELECT e.extname || ' ' || e.extversion AS definition
FROM pg_catalog.pg_extension AS e
ORDER BY 1;
