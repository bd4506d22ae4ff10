-- The roles of the demo production. No passwords here: the engine sends SCRAM verifiers afterwards.
-- Run by the cluster's superuser in the fresh database directus; every file here may hold many statements.

CREATE ROLE workflow_admin LOGIN SUPERUSER;
CREATE ROLE directus LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

CREATE ROLE cutter_exec LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 2;
CREATE ROLE cutter_verify LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 2;
CREATE ROLE cutter_ro NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- Not READ COMMITTED on purpose: 25001 is raised only where SET TRANSACTION changes the level (design section 5).
ALTER ROLE cutter_exec SET default_transaction_isolation = 'repeatable read';

-- The role that a restored copy lacks, so that its GRANTs fail there (Note-N1 of the seeds).
CREATE ROLE context_pack_readonly NOLOGIN;

ALTER DATABASE directus OWNER TO directus;
REVOKE ALL ON DATABASE directus FROM PUBLIC;
