-- Purpose: the rules of one relation that change what a statement does.
-- Columns: rule_name, verb (SELECT, UPDATE, INSERT, DELETE).
-- Lowest server version: 15.
SELECT r.rulename::text AS rule_name,
       CASE r.ev_type WHEN '1' THEN 'SELECT' WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END AS verb
FROM pg_catalog.pg_rewrite AS r
WHERE r.ev_class = %(oid)s AND r.rulename <> '_RETURN' AND r.ev_enabled <> 'D'
ORDER BY r.rulename;
