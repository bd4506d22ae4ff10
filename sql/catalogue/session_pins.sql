-- Purpose: the two settings that a pinned block changes, to be put back after it.
-- Columns: search_path, row_security (text).
-- Lowest server version: 15.
SELECT pg_catalog.current_setting('search_path') AS search_path,
       pg_catalog.current_setting('row_security') AS row_security;
