-- Purpose: the rows of one catalogue that are about objects of any kind (comments, labels, first privileges).
-- Columns: oid (of the object), name (of the object), content (JSON as text).
-- Lowest server version: 15.
SELECT t.objoid::bigint AS oid, i.identity AS name,
       (to_jsonb(t) - ARRAY['objoid', 'classoid', 'objsubid'])::text AS content
FROM {catalogue} AS t
CROSS JOIN LATERAL pg_catalog.pg_identify_object(
    t.classoid, t.objoid, coalesce((to_jsonb(t) ->> 'objsubid')::integer, 0)
) AS i
WHERE t.objoid >= 16384;
