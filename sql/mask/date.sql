-- Purpose: a fake day of the years 1970 to 2009 that is not the original.
-- Columns: fake.
-- Lowest server version: 15.
SELECT (CASE WHEN made.original = date '1970-01-01' + made.days THEN date '1970-01-01' + (made.days + 1) % 14610
             ELSE date '1970-01-01' + made.days END)::{type} AS fake
FROM (
    SELECT keyed.original,
           (('x' || encode(substring(keyed.digest FROM 1 FOR 8), 'hex'))::bit(60)::bigint % 14610)::integer AS days
    FROM ({keyed_rows}) AS keyed
    OFFSET 0
) AS made;
