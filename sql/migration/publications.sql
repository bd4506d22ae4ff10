-- Purpose: the database's publications, each as what follows CREATE PUBLICATION name.
-- Columns: name, publishes, owned (by the named role itself).
-- Lowest server version: 15.
SELECT p.pubname AS name,
       CASE WHEN p.puballtables THEN 'FOR ALL TABLES '
            ELSE coalesce('FOR ' || nullif(pg_catalog.concat_ws(', ', t.tables, n.schemas), '') || ' ', '')
       END
       || pg_catalog.format(
           'WITH (publish = %%L, publish_via_partition_root = %%s)',
           pg_catalog.concat_ws(
               ', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
               CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END
           ),
           CASE WHEN p.pubviaroot THEN 'true' ELSE 'false' END
       ) AS publishes,
       pg_catalog.pg_get_userbyid(p.pubowner) = %(role)s AS owned
FROM pg_catalog.pg_publication AS p
CROSS JOIN LATERAL (
    SELECT pg_catalog.string_agg(
               pg_catalog.format('TABLE ONLY %%I.%%I', s.nspname, c.relname)
               || coalesce(' (' || (
                   SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute AS a
                   WHERE a.attrelid = m.prrelid AND a.attnum = ANY (m.prattrs)
               ) || ')', '')
               || coalesce(' WHERE (' || pg_catalog.pg_get_expr(m.prqual, m.prrelid) || ')', ''),
               ', ' ORDER BY s.nspname COLLATE "C", c.relname COLLATE "C"
           ) AS tables
    FROM pg_catalog.pg_publication_rel AS m
    JOIN pg_catalog.pg_class AS c ON c.oid = m.prrelid
    JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
    WHERE m.prpubid = p.oid
) AS t
CROSS JOIN LATERAL (
    SELECT pg_catalog.string_agg(
               'TABLES IN SCHEMA ' || pg_catalog.quote_ident(s.nspname), ', ' ORDER BY s.nspname COLLATE "C"
           ) AS schemas
    FROM pg_catalog.pg_publication_namespace AS m
    JOIN pg_catalog.pg_namespace AS s ON s.oid = m.pnnspid
    WHERE m.pnpubid = p.oid
) AS n
ORDER BY p.pubname COLLATE "C";
