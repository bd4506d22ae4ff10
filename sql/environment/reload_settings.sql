-- Purpose: let the server read its settings again.
-- Columns: reloaded (boolean).
-- Lowest server version: 15.
SELECT pg_reload_conf() AS reloaded;
