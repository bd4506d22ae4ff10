-- The roles of the demo production. No passwords here: the engine sends SCRAM verifiers afterwards.
-- Run by the cluster's superuser in the fresh database directus; every file here may hold many statements.

CREATE ROLE directus LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE cutter_exec LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 2;
CREATE ROLE cutter_verify LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 2;

-- Who looks on: reads everything, writes nothing, and is neither of the two above.
CREATE ROLE proof_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT pg_read_all_data TO proof_reader;

ALTER DATABASE directus OWNER TO directus;
REVOKE ALL ON DATABASE directus FROM PUBLIC;
GRANT CONNECT ON DATABASE directus TO cutter_exec, cutter_verify, proof_reader;
