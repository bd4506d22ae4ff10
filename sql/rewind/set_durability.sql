-- Purpose: one setting of the server's durability off while the copy is made anew, for nobody but the engine is there.
-- Columns: none.
-- Lowest server version: 15.
ALTER SYSTEM SET {setting} = off;
