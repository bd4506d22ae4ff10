-- Purpose: what a new session of the copy's server has for some settings.
-- Columns: name (text), setting (text).
-- Lowest server version: 15.
SELECT name, setting FROM pg_settings WHERE name = ANY (%(names)s) ORDER BY name;
