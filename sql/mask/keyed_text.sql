-- Purpose: a value beside its HMAC-SHA-256 (RFC 2104) over its text, by the key that the session was started with.
-- Columns: original, digest (bytea).
-- Lowest server version: 15.
SELECT {value} AS original,
       sha256(decode(current_setting('drydock.mask_outer'), 'hex') || sha256(decode(current_setting('drydock.mask_inner'), 'hex') || convert_to({value}::text, 'UTF8'))) AS digest
OFFSET 0;
