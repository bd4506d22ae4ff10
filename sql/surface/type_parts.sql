-- Purpose: types with all that they are made of: a domain's base, elements, attributes, a range's subtype.
-- Columns: oid.
-- Lowest server version: 15.
WITH RECURSIVE parts (oid) AS (
    SELECT unnest(%(oids)s::oid[])
    UNION
    SELECT made.oid
    FROM parts AS p
    JOIN pg_catalog.pg_type AS t ON t.oid = p.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype UNION ALL SELECT t.typelem
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                  WHERE a.attrelid = t.typrelid AND t.typtype = 'c' AND t.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
    ) AS made (oid)
    WHERE made.oid <> 0
)
SELECT oid FROM parts WHERE oid IS NOT NULL ORDER BY oid;
