-- Purpose: the exact number of rows of one table.
-- Columns: row_count (rows).
-- Lowest server version: 15.
SELECT count(*) AS row_count FROM {table};
