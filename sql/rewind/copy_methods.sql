-- Purpose: how CREATE DATABASE can copy files here; no row before PostgreSQL 18.
-- Columns: method (text).
-- Lowest server version: 15.
SELECT pg_catalog.unnest(enumvals) AS method FROM pg_catalog.pg_settings WHERE name = 'file_copy_method';
