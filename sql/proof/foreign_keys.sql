-- Purpose: the relations that foreign keys tie to one that is written.
-- Columns: related_oid, how (read: it is looked up and its row locked; written: its rows follow by CASCADE or SET).
-- Lowest server version: 15.
SELECT k.confrelid AS related_oid, 'read' AS how
FROM pg_catalog.pg_constraint AS k
WHERE k.contype = 'f' AND k.conrelid = %(oid)s
UNION
SELECT k.conrelid, CASE WHEN k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd') THEN 'written' ELSE 'read' END
FROM pg_catalog.pg_constraint AS k
WHERE k.contype = 'f' AND k.confrelid = %(oid)s
ORDER BY related_oid, how;
