-- Purpose: let a role have only so many sessions at a time.
-- Columns: none.
-- Lowest server version: 15.
ALTER ROLE {role} CONNECTION LIMIT {connection_limit};
