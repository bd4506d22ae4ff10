-- Purpose: send the rows that are taken of one table, fakes in the place of its masked columns.
-- Columns: the table's that are not generated, in COPY's text format.
-- Lowest server version: 15.
COPY (SELECT {columns} FROM ({taken_rows}) AS taken CROSS JOIN LATERAL ({fake_rows}) AS fake) TO STDOUT;
