-- Purpose: let a transaction that has just begun see what another session exported.
-- Columns: none.
-- Lowest server version: 15.
SET TRANSACTION SNAPSHOT {snapshot_text};
