-- Purpose: the rows of two partitions of one table.
-- Columns: the named ones.
-- Lowest server version: 15.
SELECT {columns} FROM ({first_rows}) AS first UNION ALL SELECT {columns} FROM ({second_rows}) AS second;
