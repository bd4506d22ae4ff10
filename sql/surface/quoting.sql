-- Purpose: whether this session reads a text as PostgreSQL's grammar does by default.
-- Columns: standard_conforming_strings, client_encoding.
-- Lowest server version: 15.
SELECT pg_catalog.current_setting('standard_conforming_strings') AS standard_conforming_strings,
       pg_catalog.current_setting('client_encoding') AS client_encoding;
