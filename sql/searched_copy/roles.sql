-- Purpose: every role that PostgreSQL did not bring itself, and what it may do at most.
-- Columns: name, detail (may it log in), superuser (boolean).
-- Lowest server version: 15.
SELECT r.rolname AS name,
       CASE WHEN r.rolcanlogin THEN 'may log in' ELSE 'may not log in' END AS detail,
       r.rolsuper AS superuser
FROM pg_catalog.pg_roles AS r
WHERE r.oid >= 16384
ORDER BY 1;
