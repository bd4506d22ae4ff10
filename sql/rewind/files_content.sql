-- Purpose: the content of some files of one folder as the server reads them, piece by piece.
-- Columns: bytes (that were read), digest (sha256 in hex over the name of each piece's file, its place and its sha256).
-- Lowest server version: 15.
SELECT coalesce(pg_catalog.sum(pg_catalog.length(p.piece)), 0)::bigint AS bytes,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce(pg_catalog.string_agg(
           p.name || ' ' || p.at || ' ' || pg_catalog.encode(pg_catalog.sha256(p.piece), 'hex'), pg_catalog.chr(10)
           ORDER BY p.name COLLATE "C", p.at
       ), ''), 'UTF8')), 'hex') AS digest
  FROM (
       SELECT n.name, g.at,
              pg_catalog.pg_read_binary_file(%(folder)s || '/' || n.name, g.at, %(piece_bytes)s) AS piece
         FROM pg_catalog.unnest(%(names)s::text[]) AS n (name)
        CROSS JOIN LATERAL pg_catalog.pg_stat_file(%(folder)s || '/' || n.name) AS s
        CROSS JOIN LATERAL pg_catalog.generate_series(0, s.size, %(piece_bytes)s) AS g (at)
       ) AS p;
