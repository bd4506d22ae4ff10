-- Purpose: as keyed_text, for numbers that are equal in whatever scale they are written.
-- Columns: original, digest (bytea).
-- Lowest server version: 15.
SELECT {value} AS original,
       sha256(decode(current_setting('drydock.mask_outer'), 'hex') || sha256(decode(current_setting('drydock.mask_inner'), 'hex') || convert_to(trim_scale({value})::text, 'UTF8'))) AS digest
OFFSET 0;
