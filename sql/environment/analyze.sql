-- Purpose: statistics of the named tables, before their foreign keys are checked by joins.
-- Columns: none.
-- Lowest server version: 15.
ANALYZE {tables};
