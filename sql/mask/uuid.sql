-- Purpose: a fake UUID in the form of version 4.
-- Columns: fake.
-- Lowest server version: 15.
SELECT (substr(made.hex, 1, 12) || '4' || substr(made.hex, 14, 3) || '8' || substr(made.hex, 18, 15))::uuid AS fake
FROM (SELECT encode(substring(keyed.digest FROM 1 FOR 16), 'hex') AS hex FROM ({keyed_rows}) AS keyed OFFSET 0) AS made;
