-- Purpose: rows of one table that one of some transactions wrote, as this session sees the table.
-- Columns: row_count.
-- Lowest server version: 15.
SELECT count(*) AS row_count FROM {table} AS t WHERE t.xmin::text = ANY(%(xids)s::text[]);
