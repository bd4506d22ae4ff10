-- Purpose: make one role a member of another that may pass the membership on.
-- Columns: none.
-- Lowest server version: 15.
GRANT {group} TO {role} WITH ADMIN OPTION;
