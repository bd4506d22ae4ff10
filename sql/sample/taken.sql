-- Purpose: the rows of one table that a plan takes; its own words stand in the place of the condition.
-- Columns: the table's.
-- Lowest server version: 15.
SELECT * FROM ONLY {table} WHERE ({condition});
