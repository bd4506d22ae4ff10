-- Purpose: a fake second of the years 1970 to 2009 that is not the original.
-- Columns: fake.
-- Lowest server version: 15.
SELECT ('1970-01-01 00:00:00'::{type} + make_interval(secs => (
           CASE WHEN made.original = '1970-01-01 00:00:00'::{type} + make_interval(secs => made.seconds)
                THEN (made.seconds::bigint + 1) % 1262304000
                ELSE made.seconds::bigint END)::double precision))::{type} AS fake
FROM (
    SELECT keyed.original,
           (('x' || encode(substring(keyed.digest FROM 1 FOR 8), 'hex'))::bit(60)::bigint % 1262304000)::double precision
               AS seconds
    FROM ({keyed_rows}) AS keyed
    OFFSET 0
) AS made;
