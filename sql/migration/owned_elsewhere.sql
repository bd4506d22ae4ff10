-- Purpose: what a role does not own, neither by itself nor through a role whose privileges it has, and where it may not
-- create; in the words in which console.witness.database_changes names what a migration touches.
-- Columns: relation (schema.name; '' for what is none), object.
-- Lowest server version: 15.
WITH role AS (
    SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(role)s
), object (class, oid, owner) AS (
    SELECT c.tableoid, c.oid, c.relowner FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c')
    UNION ALL SELECT p.tableoid, p.oid, p.proowner FROM pg_catalog.pg_proc AS p
    UNION ALL SELECT t.tableoid, t.oid, t.typowner FROM pg_catalog.pg_type AS t
    UNION ALL SELECT n.tableoid, n.oid, n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT d.tableoid, d.oid, d.datdba FROM pg_catalog.pg_database AS d
    UNION ALL SELECT e.tableoid, e.oid, e.extowner FROM pg_catalog.pg_extension AS e
    UNION ALL SELECT s.tableoid, s.oid, s.srvowner FROM pg_catalog.pg_foreign_server AS s
    UNION ALL SELECT f.tableoid, f.oid, f.fdwowner FROM pg_catalog.pg_foreign_data_wrapper AS f
    UNION ALL SELECT p.tableoid, p.oid, p.pubowner FROM pg_catalog.pg_publication AS p
    UNION ALL SELECT v.tableoid, v.oid, v.evtowner FROM pg_catalog.pg_event_trigger AS v
    UNION ALL SELECT x.tableoid, x.oid, x.stxowner FROM pg_catalog.pg_statistic_ext AS x
    UNION ALL SELECT o.tableoid, o.oid, o.oprowner FROM pg_catalog.pg_operator AS o
    UNION ALL SELECT o.tableoid, o.oid, o.opcowner FROM pg_catalog.pg_opclass AS o
    UNION ALL SELECT o.tableoid, o.oid, o.opfowner FROM pg_catalog.pg_opfamily AS o
    UNION ALL SELECT o.tableoid, o.oid, o.collowner FROM pg_catalog.pg_collation AS o
    UNION ALL SELECT l.tableoid, l.oid, l.lanowner FROM pg_catalog.pg_language AS l
)
SELECT CASE WHEN i.type IN ('table', 'view', 'materialized view', 'foreign table', 'sequence', 'index')
            THEN (SELECT CASE WHEN n.nspname ~ '[."]' THEN pg_catalog.quote_ident(n.nspname) ELSE n.nspname END || '.' || c.relname FROM pg_catalog.pg_class AS c
                  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = o.oid)
            ELSE '' END AS relation,
       k.relname || ' ' || i.identity AS object
FROM object AS o
JOIN pg_catalog.pg_class AS k ON k.oid = o.class
CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.oid, 0) AS i
WHERE (o.oid >= 16384 OR k.relname IN ('pg_database', 'pg_namespace', 'pg_extension', 'pg_language'))
  AND i.identity IS NOT NULL
  AND NOT EXISTS (SELECT FROM role WHERE pg_catalog.pg_has_role(role.oid, o.owner, 'USAGE'))
UNION ALL
SELECT '', 'pg_largeobject_metadata ' || m.oid::text
FROM pg_catalog.pg_largeobject_metadata AS m
WHERE NOT EXISTS (SELECT FROM role WHERE pg_catalog.pg_has_role(role.oid, m.lomowner, 'USAGE'))
UNION ALL
SELECT '', 'CREATE in ' || pg_catalog.quote_ident(n.nspname)
FROM pg_catalog.pg_namespace AS n
WHERE NOT EXISTS (SELECT FROM role WHERE pg_catalog.has_schema_privilege(role.oid, n.oid, 'CREATE'))
  AND n.nspname !~ '^pg_(toast_)?temp_'
UNION ALL
SELECT '', 'CREATE in the database'
WHERE NOT EXISTS (
    SELECT FROM role WHERE pg_catalog.has_database_privilege(role.oid, pg_catalog.current_database(), 'CREATE')
)
ORDER BY 2;
