-- Purpose: a setting that a role's sessions begin with.
-- Columns: none.
-- Lowest server version: 15.
ALTER ROLE {role} SET {setting} TO {value};
