-- Purpose: one and the same fake for both values: of two, a different one each would say which it was.
-- Columns: fake.
-- Lowest server version: 15.
SELECT CASE WHEN {value} IS NOT NULL THEN false END AS fake;
