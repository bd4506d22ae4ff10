-- Purpose: one privilege on one database that its holder may pass on.
-- Columns: none.
-- Lowest server version: 15.
GRANT {privilege} ON DATABASE {object} TO {grantee} WITH GRANT OPTION;
