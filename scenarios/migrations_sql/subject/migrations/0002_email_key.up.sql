ALTER TABLE public.customer ADD COLUMN email_key text;
