-- Purpose: which database the template is, who could reach it, and whether anybody ever has.
-- Columns: oid, version (the row's xmin), connectable, is_template, of_superuser (boolean), grantees (text[]: who has a
-- privilege beside the owner), settings (count), sessions (count since it was made).
-- Lowest server version: 15.
SELECT d.oid::text AS oid, d.xmin::text AS version, d.datallowconn AS connectable, d.datistemplate AS is_template,
       r.rolsuper AS of_superuser,
       ARRAY(
           SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
             FROM pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS a
            WHERE a.grantee <> d.datdba
            ORDER BY 1
       ) AS grantees,
       (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_db_role_setting AS g WHERE g.setdatabase = d.oid) AS settings,
       coalesce(s.sessions, 0)::int AS sessions
  FROM pg_catalog.pg_database AS d
  JOIN pg_catalog.pg_roles AS r ON r.oid = d.datdba
  LEFT JOIN pg_catalog.pg_stat_database AS s ON s.datid = d.oid
 WHERE d.datname = %(template)s;
