-- Purpose: the functions of casts that somebody made between two of PostgreSQL's own types: any text may use them unseen.
-- Columns: function_oid.
-- Lowest server version: 15.
SELECT c.castfunc AS function_oid
FROM pg_catalog.pg_cast AS c
WHERE c.oid >= 16384 AND c.castfunc >= 16384 AND c.castsource < 16384 AND c.casttarget < 16384
ORDER BY c.castfunc;
