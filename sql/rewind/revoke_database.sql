-- Purpose: take every privilege on a database from one role, its owner for instance, before each is given as it was.
-- Columns: none.
-- Lowest server version: 15.
REVOKE ALL PRIVILEGES ON DATABASE {object} FROM {grantee};
