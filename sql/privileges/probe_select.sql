-- Purpose: ask for no column and no row, which any SELECT privilege on the table or on one column allows.
-- Columns: none.
-- Lowest server version: 15.
SELECT FROM {table} LIMIT 0;
