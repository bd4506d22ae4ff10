-- Purpose: update one column of no row; reads nothing, so that only UPDATE is asked for.
-- Columns: none.
-- Lowest server version: 15.
UPDATE {table} SET {column} = DEFAULT WHERE false;
