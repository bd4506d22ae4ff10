-- Purpose: give a role its password, as a verifier; on one line, for a stand-alone backend as well.
-- Columns: none.
-- Lowest server version: 15.
ALTER ROLE {role} PASSWORD {verifier};
