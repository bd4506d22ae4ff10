-- Purpose: open the copy's database once it has everything that it had before.
-- Columns: none.
-- Lowest server version: 15.
ALTER DATABASE {database} ALLOW_CONNECTIONS true;
