-- Purpose: give a new cluster's superuser its password, as a verifier, in a stand-alone backend (one line).
-- Columns: none.
-- Lowest server version: 15.
ALTER ROLE {role} PASSWORD {verifier};
