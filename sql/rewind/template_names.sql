-- Purpose: the files of one database's folder.
-- Columns: name (text), bytes; sorted by name.
-- Lowest server version: 15.
SELECT l.name, s.size AS bytes
  FROM pg_catalog.pg_ls_dir(%(folder)s) AS l (name)
 CROSS JOIN LATERAL pg_catalog.pg_stat_file(%(folder)s || '/' || l.name) AS s
 ORDER BY l.name COLLATE "C";
