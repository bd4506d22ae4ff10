ALTER TABLE public.purchase ALTER COLUMN amount_cents TYPE integer;
