-- Purpose: how many large objects there are: none is taken where rows are left out or masked.
-- Columns: large_objects.
-- Lowest server version: 15.
SELECT count(*) AS large_objects FROM pg_catalog.pg_largeobject_metadata;
