-- Purpose: the same, and which pages hold nothing but rows that everybody sees: their indexes alone answer then.
-- Columns: none.
-- Lowest server version: 15.
VACUUM (ANALYZE, PARALLEL 0, INDEX_CLEANUP OFF, TRUNCATE OFF, PROCESS_TOAST OFF) {tables};
