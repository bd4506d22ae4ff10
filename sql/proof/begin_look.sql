-- Purpose: one snapshot for all counts of one look; nothing can be written in it.
-- Columns: none.
-- Lowest server version: 15.
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
