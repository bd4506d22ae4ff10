-- Purpose: the rows of one catalogue that are about objects of any kind (comments, labels, first privileges).
-- Columns: about (catalogue and name of the whole object), name (of the object or its column), content (JSON as text).
-- Lowest server version: 15.
SELECT c.relname || ' ' || (pg_catalog.pg_identify_object(t.classoid, t.objoid, 0)).identity AS about, i.identity AS name,
       (to_jsonb(t) - ARRAY['objoid', 'classoid', 'objsubid'])::text AS content
FROM {catalogue} AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.classoid
CROSS JOIN LATERAL pg_catalog.pg_identify_object(
    t.classoid, t.objoid, coalesce((to_jsonb(t) ->> 'objsubid')::integer, 0)
) AS i
WHERE t.objoid >= 16384;
