-- Purpose: one privilege on one column.
-- Columns: none.
-- Lowest server version: 15.
GRANT {privilege} ({column}) ON TABLE {object} TO {grantee};
