-- Purpose: the relations that a statement on one relation reaches: its children, and tables whose keys follow its updates.
-- Columns: oid, how (child, follows).
-- Lowest server version: 15.
SELECT i.inhrelid AS oid, 'child' AS how
FROM pg_catalog.pg_inherits AS i
WHERE i.inhparent = %(oid)s
UNION
SELECT k.conrelid, 'follows'
FROM pg_catalog.pg_constraint AS k
WHERE k.confrelid = %(oid)s AND k.contype = 'f' AND k.confupdtype IN ('c', 'n', 'd')
ORDER BY oid, how;
