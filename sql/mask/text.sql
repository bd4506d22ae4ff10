-- Purpose: a fake text of up to 24 letters that is not the original.
-- Columns: fake.
-- Lowest server version: 15.
SELECT (CASE WHEN made.fake = made.original THEN translate(made.fake, 'abcdefghijklmnop', 'bcdefghijklmnopa')
             ELSE made.fake END)::{type} AS fake
FROM (
    SELECT keyed.original::text COLLATE "C" AS original,
           left(translate(encode(keyed.digest, 'hex'), '0123456789abcdef', 'abcdefghijklmnop'), {length}) AS fake
    FROM ({keyed_rows}) AS keyed
    OFFSET 0
) AS made;
