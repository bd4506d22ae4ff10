-- Purpose: insert no row into one column; reads nothing, so that only INSERT is asked for.
-- Columns: none.
-- Lowest server version: 15.
INSERT INTO {table} ({column}) OVERRIDING USER VALUE SELECT NULL WHERE false;
