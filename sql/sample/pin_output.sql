-- Purpose: set until the end of the transaction how values are written and read as text, on source and copy the same, how
-- a literal of the plan's WHERE is read, and that a table is read in the same order each time.
-- Columns: set (text[]).
-- Lowest server version: 15.
SELECT ARRAY[
    pg_catalog.set_config('TimeZone', 'UTC', true), pg_catalog.set_config('DateStyle', 'ISO, YMD', true),
    pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('extra_float_digits', '1', true),
    pg_catalog.set_config('bytea_output', 'hex', true), pg_catalog.set_config('standard_conforming_strings', 'on', true),
    pg_catalog.set_config('backslash_quote', 'off', true), pg_catalog.set_config('transform_null_equals', 'off', true),
    pg_catalog.set_config('synchronize_seqscans', 'off', true),
    pg_catalog.set_config('max_parallel_workers_per_gather', '0', true)
] AS set;
