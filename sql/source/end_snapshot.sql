-- Purpose: end the source's read-only transaction.
-- Columns: none.
-- Lowest server version: 15.
ROLLBACK;
