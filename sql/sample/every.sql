-- Purpose: the rows of one table, all of them.
-- Columns: the table's.
-- Lowest server version: 15.
SELECT * FROM ONLY {table};
