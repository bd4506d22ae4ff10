-- Purpose: the fakes of one row, made once whatever is done with them.
-- Columns: one for each masked column, by its name.
-- Lowest server version: 15.
SELECT {fakes} OFFSET 0;
