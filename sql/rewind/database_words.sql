-- Purpose: everything about a database that CREATE DATABASE from a template does or does not bring along: attributes,
-- owner, privileges, comment, security labels, settings, and which roles something of it depends on. What is the
-- database's own or is written in place is left out.
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
SELECT 'privileges', CASE WHEN d.datacl IS NULL THEN 'built in' ELSE coalesce(
           (SELECT pg_catalog.string_agg(a.item::text, ' ' ORDER BY a.item::text COLLATE "C")
              FROM pg_catalog.unnest(d.datacl) AS a (item)),
           ''
       ) END
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'comment', coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '')
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'security label of ' || l.provider, l.label
  FROM pg_catalog.pg_shseclabel AS l
  JOIN pg_catalog.pg_database AS d ON d.oid = l.objoid
 WHERE d.datname = %(database)s AND l.classoid = 'pg_catalog.pg_database'::regclass
UNION ALL
SELECT 'settings of ' || coalesce(r.rolname::text, 'everybody'), (
           SELECT pg_catalog.string_agg(s.setting, pg_catalog.chr(10) ORDER BY s.setting COLLATE "C")
             FROM pg_catalog.unnest(g.setconfig) AS s (setting)
       )
  FROM pg_catalog.pg_db_role_setting AS g
  JOIN pg_catalog.pg_database AS d ON d.oid = g.setdatabase
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.setrole
 WHERE d.datname = %(database)s
UNION ALL
SELECT 'dependencies', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(coalesce(pg_catalog.string_agg(
           s.own || ' ' || s.words, pg_catalog.chr(10) ORDER BY s.own, s.words COLLATE "C"
       ), ''), 'UTF8')), 'hex')
  FROM (
       SELECT h.dbid = 0 AS own, pg_catalog.concat_ws(
                  ' ', h.classid, CASE h.dbid WHEN 0 THEN 0 ELSE h.objid END, h.objsubid, h.refclassid, h.refobjid,
                  h.deptype
              ) AS words
         FROM pg_catalog.pg_shdepend AS h
         JOIN pg_catalog.pg_database AS d ON d.datname = %(database)s
        WHERE h.dbid = d.oid
           OR (h.dbid = 0 AND h.classid = 'pg_catalog.pg_database'::regclass AND h.objid = d.oid)
       ) AS s
 ORDER BY 1;
