-- Purpose: one privilege on one database.
-- Columns: none.
-- Lowest server version: 15.
GRANT {privilege} ON DATABASE {object} TO {grantee};
