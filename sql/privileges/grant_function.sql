-- Purpose: EXECUTE on one function, procedure or aggregate.
-- Columns: none.
-- Lowest server version: 15.
GRANT EXECUTE ON ROUTINE {object}({arguments}) TO {grantee};
