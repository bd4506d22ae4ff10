-- Purpose: the files that hold relations in this database's own folder, those of uncommitted transactions included.
-- Columns: filenode, size_bytes (all segments of the main fork).
-- Lowest server version: 15.
SELECT substring(f.name FROM '^[0-9]+')::bigint AS filenode,
       coalesce(sum((pg_catalog.pg_stat_file(d.folder || '/' || f.name, true)).size), 0)::bigint AS size_bytes
FROM (
    SELECT 'base/' || oid::text AS folder FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
) AS d
CROSS JOIN LATERAL pg_catalog.pg_ls_dir(d.folder) AS f (name)
WHERE f.name ~ '^[0-9]+([.][0-9]+)?$' AND substring(f.name FROM '^[0-9]+')::bigint >= 16384
GROUP BY 1
ORDER BY 1;
