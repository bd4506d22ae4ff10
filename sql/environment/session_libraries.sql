-- Purpose: what a session that begins now loads.
-- Columns: libraries (text).
-- Lowest server version: 15.
SELECT current_setting('session_preload_libraries') AS libraries;
