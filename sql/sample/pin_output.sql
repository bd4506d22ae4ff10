-- Purpose: set until the end of the transaction how values are written as text: on source and copy the same.
-- Columns: time_zone, date_style, interval_style (text).
-- Lowest server version: 15.
SELECT pg_catalog.set_config('TimeZone', 'UTC', true) AS time_zone,
       pg_catalog.set_config('DateStyle', 'ISO, YMD', true) AS date_style,
       pg_catalog.set_config('IntervalStyle', 'postgres', true) AS interval_style;
