-- Purpose: see whether this server can log what runs inside functions: loads auto_explain into the session.
-- Columns: none.
-- Lowest server version: 15.
LOAD 'auto_explain';
