-- Purpose: as keyed_text, over bytes.
-- Columns: original, digest (bytea).
-- Lowest server version: 15.
SELECT {value} AS original,
       sha256(decode(current_setting('drydock.mask_outer'), 'hex') || sha256(decode(current_setting('drydock.mask_inner'), 'hex') || {value})) AS digest
OFFSET 0;
