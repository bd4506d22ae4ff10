-- Purpose: as check_values, for a type with two values, where only one and the same fake (false) says nothing: unchanged
-- is how many fakes are the other one.
-- Columns: values (not null), unchanged (rows), digest (text).
-- Lowest server version: 15.
SELECT count(taken.{column}) AS values,
       count(*) FILTER (WHERE fake.{column}) AS unchanged,
       coalesce(sum(('x' || encode(substring(sha256(convert_to(fake.{column}::text, 'UTF8')) FROM 1 FOR 7), 'hex'))::bit(56)::bigint), 0)::text AS digest
FROM ({taken_rows}) AS taken CROSS JOIN LATERAL ({fake_rows}) AS fake;
