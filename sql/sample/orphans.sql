-- Purpose: how many rows that are taken of one table have a foreign key that leads to no row that is taken.
-- Columns: orphans (rows).
-- Lowest server version: 15.
SELECT count(*) AS orphans FROM ({child_rows}) AS child
WHERE pg_catalog.num_nulls({child_key}) = 0
  AND NOT EXISTS (SELECT 1 FROM ({parent_rows}) AS parent WHERE ({parent_key}) = ({child_key}));
