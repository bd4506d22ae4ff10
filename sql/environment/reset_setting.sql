-- Purpose: take one setting of the loading out of the copy's configuration.
-- Columns: none.
-- Lowest server version: 15.
ALTER SYSTEM RESET {setting};
