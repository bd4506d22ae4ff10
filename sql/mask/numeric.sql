-- Purpose: a fake number of the same sign and of the type's digits that is not the original.
-- Columns: fake.
-- Lowest server version: 15.
SELECT ((CASE WHEN made.original < 0 THEN -1 ELSE 1 END)
        * (CASE WHEN abs(made.original) = made.units * {unit} THEN (made.units + 1) % {range} ELSE made.units END)
        * {unit})::{type} AS fake
FROM (
    SELECT keyed.original,
           ('x' || encode(substring(keyed.digest FROM 1 FOR 8), 'hex'))::bit(60)::bigint::numeric % {range} AS units
    FROM ({keyed_rows}) AS keyed
    OFFSET 0
) AS made;
