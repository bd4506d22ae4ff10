-- Purpose: which database has a name now; one that is made anew has another oid.
-- Columns: oid (text).
-- Lowest server version: 15.
SELECT oid::text AS oid FROM pg_catalog.pg_database WHERE datname = %(database)s;
