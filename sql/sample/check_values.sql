-- Purpose: what a mask makes of one column's values: how many there are, how many stay as they were, and a sum over the
-- hashes of the fakes, the same for every order of rows.
-- Columns: values (not null), unchanged (rows), digest (text).
-- Lowest server version: 15.
SELECT count(taken.{column}) AS values,
       count(*) FILTER (WHERE taken.{column} = fake.{column}) AS unchanged,
       coalesce(sum(('x' || encode(substring(sha256(convert_to(fake.{column}::text, 'UTF8')) FROM 1 FOR 7), 'hex'))::bit(56)::bigint), 0)::text AS digest
FROM ({taken_rows}) AS taken CROSS JOIN LATERAL ({fake_rows}) AS fake;
