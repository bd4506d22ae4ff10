-- Purpose: what stands in one masked column of the copy, to be held against what the source made.
-- Columns: values (not null), digest (text).
-- Lowest server version: 15.
SELECT count({column}) AS values,
       coalesce(sum(('x' || encode(substring(sha256(convert_to({column}::text, 'UTF8')) FROM 1 FOR 7), 'hex'))::bit(56)::bigint), 0)::text AS digest
FROM ONLY {table};
