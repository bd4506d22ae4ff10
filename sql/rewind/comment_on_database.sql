-- Purpose: the comment that a database has.
-- Columns: none.
-- Lowest server version: 15.
COMMENT ON DATABASE {database} IS {comment};
