-- Purpose: what was loaded is written, before the copy becomes durable.
-- Columns: none.
-- Lowest server version: 15.
CHECKPOINT;
