-- Purpose: the end of one look.
-- Columns: none.
-- Lowest server version: 15.
ROLLBACK;
