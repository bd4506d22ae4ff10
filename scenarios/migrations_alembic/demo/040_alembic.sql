-- Purpose: what Alembic left in production: the table of its revision, at the first one.
-- Lowest server version: 16.

SET ROLE shop_owner;
CREATE TABLE public.alembic_version (version_num varchar(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY);
INSERT INTO public.alembic_version VALUES ('0001');
RESET ROLE;
