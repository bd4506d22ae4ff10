-- Purpose: a setting that a role's sessions in one database begin with.
-- Columns: none.
-- Lowest server version: 15.
ALTER ROLE {role} IN DATABASE {database} SET {setting} TO {value};
