-- Purpose: make one role a member of another.
-- Columns: none.
-- Lowest server version: 15.
GRANT {group} TO {role};
