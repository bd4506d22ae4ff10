-- Purpose: ask for one column of no row.
-- Columns: the column asked for.
-- Lowest server version: 15.
SELECT {column} FROM {table} LIMIT 0;
