-- Purpose: make one role with exactly these attributes; the password, if any, is a SCRAM verifier.
-- Columns: none.
-- Lowest server version: 15.
CREATE ROLE {role} WITH {attributes} CONNECTION LIMIT {connection_limit} PASSWORD {verifier};
