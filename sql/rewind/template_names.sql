-- Purpose: the files of one database's folder.
-- Columns: name (text), sorted.
-- Lowest server version: 15.
SELECT name FROM pg_catalog.pg_ls_dir(%(folder)s) AS l (name) ORDER BY name COLLATE "C";
