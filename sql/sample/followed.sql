-- Purpose: of some rows of one table those whose foreign key is null or leads to a row of its parent that is taken.
-- Columns: the table's.
-- Lowest server version: 15.
SELECT child.* FROM ({child_rows}) AS child
WHERE pg_catalog.num_nulls({child_key}) > 0
   OR EXISTS (SELECT 1 FROM ({parent_rows}) AS parent WHERE ({parent_key}) = ({child_key}));
