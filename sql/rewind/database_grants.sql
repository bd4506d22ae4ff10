-- Purpose: the privileges on one database, its owner's too, where it has a list of its own.
-- Columns: grantor, grantee (PUBLIC for everybody), privilege (text), grantable (boolean).
-- Lowest server version: 15.
SELECT pg_catalog.pg_get_userbyid(a.grantor)::text AS grantor,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END AS grantee,
       a.privilege_type AS privilege, a.is_grantable AS grantable
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS a
 WHERE d.datname = %(database)s
 ORDER BY 1, 2, 3;
