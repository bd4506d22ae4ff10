-- Purpose: the functions that one aggregate is made of.
-- Columns: function_oid.
-- Lowest server version: 15.
SELECT f.function_oid
FROM pg_catalog.pg_aggregate AS a
CROSS JOIN LATERAL (
    VALUES (a.aggtransfn::oid), (a.aggfinalfn::oid), (a.aggcombinefn::oid), (a.aggserialfn::oid), (a.aggdeserialfn::oid),
           (a.aggmtransfn::oid), (a.aggminvtransfn::oid), (a.aggmfinalfn::oid)
) AS f (function_oid)
WHERE a.aggfnoid = %(oid)s AND f.function_oid >= 16384
ORDER BY f.function_oid;
