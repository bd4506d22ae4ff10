-- Purpose: whether a role, or one that it may become, is a superuser.
-- Columns: superuser (boolean).
-- Lowest server version: 15.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS r
    WHERE r.rolsuper AND pg_catalog.pg_has_role(%(role)s::name, r.oid, 'MEMBER')
) AS superuser;
