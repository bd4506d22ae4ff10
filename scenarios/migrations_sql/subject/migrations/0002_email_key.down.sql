ALTER TABLE public.customer DROP COLUMN email_key;
