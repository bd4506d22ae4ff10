-- Purpose: the user-defined operators that a text may mean by a name, for the types that it reaches or PostgreSQL's own.
-- Columns: operator_name (with its operands' types), function_oid.
-- Lowest server version: 15.
SELECT o.oid::regoperator::text AS operator_name, o.oprcode::oid AS function_oid
FROM pg_catalog.pg_operator AS o
WHERE o.oprname = ANY (%(names)s::text[]) AND o.oid >= 16384
  AND (o.oprleft < 16384 OR o.oprleft = ANY (%(types)s::oid[]))
  AND (o.oprright < 16384 OR o.oprright = ANY (%(types)s::oid[]))
ORDER BY o.oid;
