-- Purpose: what the catalogue keeps as trees, as numbers of columns, as privileges by default, or as a secret, in words
-- that no oid changes; of secrets a digest.
-- Columns: catalogue, oid, part, definition.
-- Lowest server version: 15.
WITH acl (catalogue, oid, acl) AS (
    SELECT 'pg_class', c.oid, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
    FROM pg_catalog.pg_class AS c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT 'pg_proc', p.oid, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_catalog.pg_proc AS p WHERE p.oid >= 16384
    UNION ALL SELECT 'pg_type', t.oid, coalesce(t.typacl, acldefault('T', t.typowner)) FROM pg_catalog.pg_type AS t WHERE t.oid >= 16384
    UNION ALL SELECT 'pg_namespace', n.oid, coalesce(n.nspacl, acldefault('n', n.nspowner)) FROM pg_catalog.pg_namespace AS n
    UNION ALL SELECT 'pg_database', d.oid, coalesce(d.datacl, acldefault('d', d.datdba)) FROM pg_catalog.pg_database AS d
    UNION ALL SELECT 'pg_language', l.oid, coalesce(l.lanacl, acldefault('l', l.lanowner)) FROM pg_catalog.pg_language AS l
    UNION ALL SELECT 'pg_largeobject_metadata', m.oid, coalesce(m.lomacl, acldefault('L', m.lomowner)) FROM pg_catalog.pg_largeobject_metadata AS m
    UNION ALL SELECT 'pg_foreign_data_wrapper', f.oid, coalesce(f.fdwacl, acldefault('F', f.fdwowner)) FROM pg_catalog.pg_foreign_data_wrapper AS f
    UNION ALL SELECT 'pg_foreign_server', s.oid, coalesce(s.srvacl, acldefault('S', s.srvowner)) FROM pg_catalog.pg_foreign_server AS s
    UNION ALL SELECT 'pg_tablespace', s.oid, coalesce(s.spcacl, acldefault('t', s.spcowner)) FROM pg_catalog.pg_tablespace AS s
)
SELECT a.catalogue, a.oid::bigint AS oid, 'acl' AS part, array_to_string(ARRAY(
    SELECT x::text FROM unnest(a.acl) AS x ORDER BY 1
), ' ') AS definition
FROM acl AS a
UNION ALL SELECT 'pg_attrdef', d.oid, 'expression', pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef AS d
UNION ALL SELECT 'pg_constraint', c.oid, 'definition', pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint AS c WHERE c.oid >= 16384
UNION ALL SELECT 'pg_index', i.indexrelid, 'definition', pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index AS i
          WHERE i.indexrelid >= 16384
UNION ALL SELECT 'pg_trigger', t.oid, 'definition', pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger AS t WHERE NOT t.tgisinternal
UNION ALL SELECT 'pg_rewrite', r.oid, 'definition', pg_get_ruledef(r.oid) FROM pg_catalog.pg_rewrite AS r WHERE r.oid >= 16384
UNION ALL SELECT 'pg_proc', p.oid, 'arguments', pg_get_function_arguments(p.oid) FROM pg_catalog.pg_proc AS p WHERE p.oid >= 16384
UNION ALL SELECT 'pg_proc', p.oid, 'body', pg_get_function_sqlbody(p.oid) FROM pg_catalog.pg_proc AS p
          WHERE p.oid >= 16384 AND p.prosqlbody IS NOT NULL
UNION ALL SELECT 'pg_policy', p.oid, 'using', pg_get_expr(p.polqual, p.polrelid) FROM pg_catalog.pg_policy AS p
UNION ALL SELECT 'pg_policy', p.oid, 'check', pg_get_expr(p.polwithcheck, p.polrelid) FROM pg_catalog.pg_policy AS p
UNION ALL SELECT 'pg_class', c.oid, 'bound', pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class AS c WHERE c.relispartition
UNION ALL SELECT 'pg_class', c.oid, 'TOAST options', array_to_string(t.reloptions, ',') FROM pg_catalog.pg_class AS c
          JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid WHERE t.reloptions IS NOT NULL
UNION ALL SELECT 'pg_partitioned_table', p.partrelid, 'key', pg_get_partkeydef(p.partrelid) FROM pg_catalog.pg_partitioned_table AS p
UNION ALL SELECT 'pg_statistic_ext', s.oid, 'definition', pg_get_statisticsobjdef(s.oid) FROM pg_catalog.pg_statistic_ext AS s
UNION ALL SELECT 'pg_type', t.oid, 'labels', (
              SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
              FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid
          ) FROM pg_catalog.pg_type AS t WHERE t.typtype = 'e'
UNION ALL SELECT 'pg_publication_rel', p.oid, 'rows', pg_get_expr(p.prqual, p.prrelid) FROM pg_catalog.pg_publication_rel AS p
UNION ALL SELECT 'pg_publication_rel', p.oid, 'columns', (
              SELECT string_agg(a.attname, ', ' ORDER BY a.attname) FROM pg_catalog.pg_attribute AS a
              WHERE a.attrelid = p.prrelid AND a.attnum = ANY (p.prattrs)
          ) FROM pg_catalog.pg_publication_rel AS p
UNION ALL SELECT 'pg_authid', r.oid, 'password''s digest', encode(sha256(convert_to(r.rolpassword, 'UTF8')), 'hex') FROM pg_catalog.pg_authid AS r
UNION ALL SELECT 'pg_subscription', s.oid, 'connection''s digest', encode(sha256(convert_to(s.subconninfo, 'UTF8')), 'hex')
          FROM pg_catalog.pg_subscription AS s
UNION ALL SELECT 'pg_user_mapping', m.oid, 'options'' digest', encode(sha256(convert_to(m.umoptions::text, 'UTF8')), 'hex')
          FROM pg_catalog.pg_user_mapping AS m
UNION ALL SELECT 'pg_foreign_server', s.oid, 'options'' digest', encode(sha256(convert_to(s.srvoptions::text, 'UTF8')), 'hex')
          FROM pg_catalog.pg_foreign_server AS s;
