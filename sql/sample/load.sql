-- Purpose: put rows into one table of the copy.
-- Columns: none.
-- Lowest server version: 15.
COPY {table} ({columns}) FROM STDIN;
