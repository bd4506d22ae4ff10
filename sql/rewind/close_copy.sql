-- Purpose: let nobody come to the copy's database any more, before it is dropped; who is there already stays.
-- Columns: none.
-- Lowest server version: 15.
ALTER DATABASE {database} ALLOW_CONNECTIONS false;
