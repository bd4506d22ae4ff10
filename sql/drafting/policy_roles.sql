-- Purpose: row security policies that name a role: a copy that lacks the role at the restore lacks the policy.
-- Columns: policy (schema.table.policy).
-- Lowest server version: 15.
SELECT n.nspname || '.' || c.relname || '.' || p.polname AS policy
FROM pg_catalog.pg_policy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE p.polroles <> ARRAY[0::pg_catalog.oid]
ORDER BY 1;
