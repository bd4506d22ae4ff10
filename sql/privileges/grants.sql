-- Purpose: every privilege of the named roles, wherever it is, and those of PUBLIC on the named objects.
-- Columns: is_public, grantee (PUBLIC for everybody), kind, object (schema.name, or the schema's or database's name),
-- privilege, column_name ('' for the whole object), grantable.
-- Lowest server version: 15.
WITH privilege AS (
    SELECT a.grantee,
           CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END AS kind,
           n.nspname || '.' || c.relname AS object, a.privilege_type, '' AS column_name, a.is_grantable
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL aclexplode(coalesce(
        c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    )) AS a
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT a.grantee, 'column', n.nspname || '.' || c.relname, a.privilege_type, t.attname, a.is_grantable
    FROM pg_catalog.pg_attribute AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL aclexplode(t.attacl) AS a
    WHERE NOT t.attisdropped
    UNION ALL
    SELECT a.grantee, 'schema', n.nspname, a.privilege_type, '', a.is_grantable
    FROM pg_catalog.pg_namespace AS n
    CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
    UNION ALL
    SELECT a.grantee, 'database', d.datname, a.privilege_type, '', a.is_grantable
    FROM pg_catalog.pg_database AS d
    CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
    UNION ALL
    SELECT a.grantee, 'function',
           n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
           a.privilege_type, '', a.is_grantable
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
)
SELECT DISTINCT
       p.grantee = 0 AS is_public,
       CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE r.rolname END AS grantee,
       p.kind, p.object, p.privilege_type AS privilege, p.column_name, p.is_grantable AS grantable
FROM privilege AS p
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = p.grantee
WHERE r.rolname = ANY (%(roles)s)
   OR (p.grantee = 0 AND (
        (p.kind IN ('table', 'view', 'sequence', 'column') AND p.object = ANY (%(relations)s))
        OR (p.kind = 'schema' AND p.object = ANY (%(schemas)s))
        OR (p.kind = 'database' AND p.object = %(database)s)
   ))
ORDER BY 1, 2, 3, 4, 5, 6, 7;
