-- Purpose: let values print in one way until the end of the transaction, whatever the database or the role has set: all
-- digits of a float, whole times, bytes in hex.
-- Columns: five settings (text).
-- Lowest server version: 15.
SELECT pg_catalog.set_config('extra_float_digits', '3', true) AS extra_float_digits,
       pg_catalog.set_config('datestyle', 'ISO, YMD', true) AS datestyle,
       pg_catalog.set_config('timezone', 'UTC', true) AS timezone,
       pg_catalog.set_config('intervalstyle', 'postgres', true) AS intervalstyle,
       pg_catalog.set_config('bytea_output', 'hex', true) AS bytea_output;
