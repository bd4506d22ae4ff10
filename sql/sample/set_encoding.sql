-- Purpose: say in which encoding this session sends text.
-- Columns: client_encoding (text).
-- Lowest server version: 15.
SELECT pg_catalog.set_config('client_encoding', %(encoding)s, false) AS client_encoding;
