-- Purpose: set both until the end of the transaction. Qualified, because a restored database may have a
-- search_path of its own; row_security off raises an error where a policy would silently hide rows.
-- Columns: search_path, row_security (text).
-- Lowest server version: 15.
SELECT pg_catalog.set_config('search_path', %(search_path)s, true) AS search_path,
       pg_catalog.set_config('row_security', %(row_security)s, true) AS row_security;
