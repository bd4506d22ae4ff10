-- Purpose: let the transaction that has just begun read in one snapshot, whatever others commit meanwhile.
-- Columns: none.
-- Lowest server version: 15.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
