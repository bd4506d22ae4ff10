-- Purpose: statistics of the restored tables, before their foreign keys are checked by joins.
-- Columns: none.
-- Lowest server version: 15.
ANALYZE;
