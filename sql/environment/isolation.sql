-- Purpose: what the server itself says of the ways in, and which data folder it serves.
-- Columns: listen_addresses, socket_folder, data_folder (text).
-- Lowest server version: 15.
SELECT pg_catalog.current_setting('listen_addresses') AS listen_addresses,
       pg_catalog.current_setting('unix_socket_directories') AS socket_folder,
       pg_catalog.current_setting('data_directory') AS data_folder;
