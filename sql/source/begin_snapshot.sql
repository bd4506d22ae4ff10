-- Purpose: open the one transaction that the dump, the counts and the catalogue reads of a source share.
-- Columns: none.
-- Lowest server version: 15.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
