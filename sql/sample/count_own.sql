-- Purpose: the exact number of rows of one table, without those of tables that inherit from it.
-- Columns: row_count (rows).
-- Lowest server version: 15.
SELECT count(*) AS row_count FROM ONLY {table};
