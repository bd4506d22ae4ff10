-- Purpose: which server and database this is, and whether this session may write.
-- Columns: system_identifier (text), started_at (UTC, ISO 8601), server_version_num, database_size_bytes,
-- transaction_read_only (on or off).
-- Lowest server version: 15.
SELECT c.system_identifier::text AS system_identifier,
       to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
       current_setting('server_version_num')::integer AS server_version_num,
       pg_database_size(current_database()) AS database_size_bytes,
       current_setting('transaction_read_only') AS transaction_read_only
FROM pg_control_system() AS c;
