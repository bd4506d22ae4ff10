-- Purpose: count the living sessions of some roles.
-- Columns: backends (count).
-- Lowest server version: 15.
SELECT pg_catalog.count(*)::int AS backends
  FROM pg_catalog.pg_stat_activity
 WHERE usename = ANY (%(roles)s);
