-- Purpose: in which encoding this session sends text: what is loaded must be told the same.
-- Columns: client_encoding (text).
-- Lowest server version: 15.
SELECT pg_catalog.current_setting('client_encoding') AS client_encoding;
