-- Purpose: the privileges on one database beside its owner's, where it has a list of its own.
-- Columns: grantee (PUBLIC for everybody), privilege (text).
-- Lowest server version: 15.
SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END AS grantee,
       a.privilege_type AS privilege
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS a
 WHERE d.datname = %(database)s AND a.grantee <> d.datdba
 ORDER BY 1, 2;
