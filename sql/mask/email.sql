-- Purpose: a fake address that reaches nobody (RFC 2606) and is not the original.
-- Columns: fake.
-- Lowest server version: 15.
SELECT ((CASE WHEN made.name || '@example.invalid' = made.original
              THEN translate(made.name, 'abcdefghijklmnop', 'bcdefghijklmnopa')
              ELSE made.name END) || '@example.invalid')::{type} AS fake
FROM (
    SELECT keyed.original::text COLLATE "C" AS original,
           left(translate(encode(keyed.digest, 'hex'), '0123456789abcdef', 'abcdefghijklmnop'), {length}) AS name
    FROM ({keyed_rows}) AS keyed
    OFFSET 0
) AS made;
