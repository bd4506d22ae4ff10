-- Purpose: a fake object.
-- Columns: fake.
-- Lowest server version: 15.
SELECT CASE WHEN keyed.digest IS NOT NULL
            THEN json_build_object('masked', left(encode(keyed.digest, 'hex'), 24))::text::{type} END AS fake
FROM ({keyed_rows}) AS keyed;
