-- Purpose: one privilege on one sequence.
-- Columns: none.
-- Lowest server version: 15.
GRANT {privilege} ON SEQUENCE {object} TO {grantee};
