-- Purpose: the template's files as the server's file system has them; nobody can set back a change time (inode(7)).
-- Columns: files (count), bytes, digest (sha256 in hex over names, sizes, modification and change times), quiet
-- (boolean: the last change lies in an earlier second than now, the finest step that pg_stat_file tells).
-- Lowest server version: 15.
SELECT pg_catalog.count(*)::int AS files,
       coalesce(pg_catalog.sum(s.size), 0)::bigint AS bytes,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce(pg_catalog.string_agg(
           f.name || ' ' || s.size || ' ' || extract(epoch FROM s.modification) || ' ' || extract(epoch FROM s.change),
           pg_catalog.chr(10) ORDER BY f.name COLLATE "C"
       ), ''), 'UTF8')), 'hex') AS digest,
       coalesce(pg_catalog.max(s.change) < pg_catalog.date_trunc('second', pg_catalog.clock_timestamp()), false) AS quiet
  FROM (
       SELECT name FROM pg_catalog.pg_ls_dir(%(folder)s) AS l (name)
       UNION ALL
       SELECT '.'
       ) AS f (name)
 CROSS JOIN LATERAL pg_catalog.pg_stat_file(%(folder)s || '/' || f.name) AS s;
