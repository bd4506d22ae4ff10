-- Purpose: one privilege on one table or view.
-- Columns: none.
-- Lowest server version: 15.
GRANT {privilege} ON TABLE {object} TO {grantee};
