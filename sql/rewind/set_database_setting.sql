-- Purpose: a setting that all sessions in one database begin with.
-- Columns: none.
-- Lowest server version: 15.
ALTER DATABASE {database} SET {setting} TO {value};
