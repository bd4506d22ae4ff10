-- Purpose: give a role of the demo's own production a password, as the verifier that the client computed.
-- Columns: none.
-- Lowest server version: 15.
ALTER ROLE {role} PASSWORD {verifier};
