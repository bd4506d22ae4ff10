-- Purpose: the content of one file as the server reads it, piece by piece.
-- Columns: bytes (that were read), digest (sha256 in hex over the sha256 of each piece).
-- Lowest server version: 15.
SELECT coalesce(pg_catalog.sum(pg_catalog.length(p.piece)), 0)::bigint AS bytes,
       pg_catalog.encode(pg_catalog.sha256(
           coalesce(pg_catalog.string_agg(pg_catalog.sha256(p.piece), ''::bytea ORDER BY p.at), ''::bytea)
       ), 'hex') AS digest
  FROM (
       SELECT g.at, pg_catalog.pg_read_binary_file(%(file)s, g.at, %(piece_bytes)s) AS piece
         FROM pg_catalog.pg_stat_file(%(file)s) AS s
        CROSS JOIN LATERAL pg_catalog.generate_series(0, s.size, %(piece_bytes)s) AS g (at)
       ) AS p;
