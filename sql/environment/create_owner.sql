-- Purpose: make the role that restores the copy and owns it, never a superuser.
-- Columns: none.
-- Lowest server version: 15.
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {verifier};
