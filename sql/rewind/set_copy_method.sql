-- Purpose: how this session's CREATE DATABASE copies files.
-- Columns: none.
-- Lowest server version: 18.
SET file_copy_method = {method};
