-- Purpose: drop the copy's database, which a scenario has used; refused while anybody is connected to it.
-- Columns: none.
-- Lowest server version: 15.
DROP DATABASE {database};
