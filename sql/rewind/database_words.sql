-- Purpose: everything about a database that CREATE DATABASE from a template does or does not bring along: attributes,
-- owner, privileges, comment and settings. What is the database's own or is written in place is left out.
-- Columns: word (text), value (text, '' for none).
-- Lowest server version: 15.
SELECT w.key AS word, coalesce(w.value, '') AS value
  FROM pg_catalog.pg_database AS d,
       LATERAL pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(d) - ARRAY[
           'oid', 'datname', 'datdba', 'datacl', 'datfrozenxid', 'datminmxid', 'dathasloginevt'
       ]) AS w
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'owner', pg_catalog.pg_get_userbyid(d.datdba)::text
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'privileges', coalesce(
           (SELECT pg_catalog.string_agg(a.item::text, ' ' ORDER BY a.item::text COLLATE "C")
              FROM pg_catalog.unnest(d.datacl) AS a (item)),
           ''
       )
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'comment', coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '')
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'settings of ' || coalesce(r.rolname::text, 'everybody'), (
           SELECT pg_catalog.string_agg(s.setting, pg_catalog.chr(10) ORDER BY s.setting COLLATE "C")
             FROM pg_catalog.unnest(g.setconfig) AS s (setting)
       )
  FROM pg_catalog.pg_db_role_setting AS g
  JOIN pg_catalog.pg_database AS d ON d.oid = g.setdatabase
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.setrole
 WHERE d.datname = %(database)s
 ORDER BY 1;
