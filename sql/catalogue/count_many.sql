-- Purpose: the exact numbers of rows of some tables, counted in one go; catalogue/count_rows counts each.
-- Columns: row_counts (rows, in the order of the tables).
-- Lowest server version: 15.
SELECT ARRAY[({count_rows})] AS row_counts;
