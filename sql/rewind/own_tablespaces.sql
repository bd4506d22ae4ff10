-- Purpose: tablespaces beside PostgreSQL's own two, whose files a look at the template's folder would miss.
-- Columns: tablespaces (count).
-- Lowest server version: 15.
SELECT pg_catalog.count(*)::int AS tablespaces
  FROM pg_catalog.pg_tablespace
 WHERE spcname NOT IN ('pg_default', 'pg_global');
