-- Purpose: the user-defined functions that PostgreSQL calls by itself for values of types: input, casts, comparison, ranges.
-- Columns: type_name, what (input, output, cast, operator class, range), function_oid.
-- Lowest server version: 15.
SELECT t.oid::regtype::text AS type_name, f.what, f.function_oid
FROM pg_catalog.pg_type AS t
CROSS JOIN LATERAL (
    VALUES ('input', t.typinput::oid), ('output', t.typoutput::oid), ('input', t.typmodin::oid)
    UNION
    SELECT 'cast', c.castfunc FROM pg_catalog.pg_cast AS c
    WHERE t.oid IN (c.castsource, c.casttarget) AND (t.oid >= 16384 OR greatest(c.castsource, c.casttarget) < 16384)
    UNION
    SELECT 'operator class', m.amproc::oid
    FROM pg_catalog.pg_opclass AS o
    JOIN pg_catalog.pg_amproc AS m ON m.amprocfamily = o.opcfamily
    WHERE o.opcintype = t.oid
    UNION
    SELECT 'operator class', x.oprcode::oid
    FROM pg_catalog.pg_opclass AS o
    JOIN pg_catalog.pg_amop AS s ON s.amopfamily = o.opcfamily
    JOIN pg_catalog.pg_operator AS x ON x.oid = s.amopopr
    WHERE o.opcintype = t.oid
    UNION
    SELECT 'range', g.oid
    FROM pg_catalog.pg_range AS r
    CROSS JOIN LATERAL (VALUES (r.rngcanonical::oid), (r.rngsubdiff::oid)) AS g (oid)
    WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
) AS f (what, function_oid)
WHERE t.oid = ANY (%(oids)s::oid[]) AND f.function_oid >= 16384
ORDER BY type_name, f.what, f.function_oid;
