-- Purpose: what a migration can leave and no catalogue row tells: membership in extensions, owned sequences, large
-- objects' content, replication slots, prepared transactions, and settings in the server's files (by digest).
-- Columns: kind, name, content.
-- Lowest server version: 15.
SELECT 'depends' AS kind, o.type || ' ' || o.identity AS name, d.deptype::text || ' ' || r.type || ' ' || r.identity AS content
FROM pg_catalog.pg_depend AS d
CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS o
CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) AS r
WHERE d.deptype IN ('e', 'x')
   OR (d.deptype IN ('a', 'i') AND d.classid = 'pg_class'::pg_catalog.regclass AND d.refobjsubid <> 0 AND EXISTS (
       SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = d.objid AND c.relkind = 'S'
   ))
UNION ALL
SELECT 'large object', l.loid::text, encode(sha256(convert_to(
    string_agg(l.pageno::text || ' ' || encode(sha256(l.data), 'hex'), ' ' ORDER BY l.pageno), 'UTF8'
)), 'hex')
FROM pg_catalog.pg_largeobject AS l GROUP BY l.loid
UNION ALL
SELECT 'replication slot', s.slot_name, s.slot_type || ' ' || coalesce(s.plugin, '') || ' ' || coalesce(s.database, '')
FROM pg_catalog.pg_replication_slots AS s
UNION ALL
SELECT 'prepared transaction', p.gid, p.owner || ' in ' || p.database FROM pg_catalog.pg_prepared_xacts AS p
UNION ALL
SELECT 'setting', s.sourcefile || ' ' || s.sourceline::text || ' ' || s.name, encode(sha256(convert_to(coalesce(s.setting, ''), 'UTF8')), 'hex')
FROM pg_catalog.pg_file_settings AS s;
