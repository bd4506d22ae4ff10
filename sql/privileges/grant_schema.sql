-- Purpose: one privilege on one schema.
-- Columns: none.
-- Lowest server version: 15.
GRANT {privilege} ON SCHEMA {object} TO {grantee};
