-- Purpose: one digest of every setting that is kept for roles and databases.
-- Columns: digest (md5, hex).
-- Lowest server version: 15.
SELECT pg_catalog.md5(coalesce(string_agg(s.setdatabase::text || ' ' || s.setrole::text || ' ' || s.setconfig::text, E'\n'
                                          ORDER BY s.setdatabase, s.setrole), '')) AS digest
FROM pg_catalog.pg_db_role_setting AS s;
