-- Purpose: everybody but an object's owner to whom a dump of this database would grant something, predefined
-- roles left out: pg_restore sends an object's grants as one string, so that the first role that the copy
-- lacks hides those behind it.
-- Columns: grantee (a role's name).
-- Lowest server version: 15.
SELECT DISTINCT r.rolname AS grantee
FROM (
    SELECT c.relowner AS owner, c.relacl AS acl, c.relnamespace AS namespace FROM pg_catalog.pg_class AS c
    UNION ALL
    SELECT c.relowner, a.attacl, c.relnamespace
    FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    UNION ALL
    SELECT p.proowner, p.proacl, p.pronamespace FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT t.typowner, t.typacl, t.typnamespace FROM pg_catalog.pg_type AS t
    UNION ALL
    SELECT n.nspowner, n.nspacl, n.oid FROM pg_catalog.pg_namespace AS n
    UNION ALL
    SELECT d.defaclrole, d.defaclacl, d.defaclnamespace FROM pg_catalog.pg_default_acl AS d
) AS o
CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS e
JOIN pg_catalog.pg_roles AS r ON r.oid = e.grantee
WHERE e.grantee <> o.owner
  AND o.namespace NOT IN ('pg_catalog'::pg_catalog.regnamespace, 'information_schema'::pg_catalog.regnamespace)
  AND r.rolname !~ '^pg_'
ORDER BY r.rolname;
