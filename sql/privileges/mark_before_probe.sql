-- Purpose: the point to which each probe of one role is undone; the role itself was taken before it.
-- Columns: none.
-- Lowest server version: 15.
SAVEPOINT before_probe;
