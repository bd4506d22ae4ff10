-- Purpose: 32 fake bytes.
-- Columns: fake.
-- Lowest server version: 15.
SELECT keyed.digest AS fake FROM ({keyed_rows}) AS keyed;
