-- Purpose: one setting of the nested witness, for every session that begins afterwards.
-- Columns: none.
-- Lowest server version: 15.
ALTER SYSTEM SET {setting} = {value};
