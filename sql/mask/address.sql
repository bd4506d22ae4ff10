-- Purpose: a fake address of the same family (of 10.0.0.0/8, or of the documentation's 2001:db8::/32), not the original.
-- Columns: fake.
-- Lowest server version: 15.
SELECT (CASE WHEN made.original = made.base + made.number THEN made.base + (made.number + 1)
             ELSE made.base + made.number END)::{type} AS fake
FROM (
    SELECT keyed.original::inet AS original,
           CASE family(keyed.original) WHEN 4 THEN inet '10.0.0.0' ELSE inet '2001:db8::' END AS base,
           ('x' || encode(substring(keyed.digest FROM 1 FOR 8), 'hex'))::bit(60)::bigint
               % CASE family(keyed.original) WHEN 4 THEN 16777214 ELSE 1152921504606846975 END AS number
    FROM ({keyed_rows}) AS keyed
    OFFSET 0
) AS made;
