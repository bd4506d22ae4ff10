-- Purpose: end one backend that holds its locks for too long; a role without the right to it is refused.
-- Columns: ended.
-- Lowest server version: 15.
SELECT pg_catalog.pg_terminate_backend(%(pid)s) AS ended;
