-- Purpose: no row of one table.
-- Columns: the table's.
-- Lowest server version: 15.
SELECT * FROM ONLY {table} WHERE false;
