-- Purpose: a limit for this session's own statements.
-- Columns: set_config.
-- Lowest server version: 15.
SELECT pg_catalog.set_config(%(name)s, %(value)s, false);
