-- Purpose: leave a mark in the server's log behind all that was logged before.
-- Columns: mark (text).
-- Lowest server version: 15.
SELECT {token} AS mark;
