-- no transaction: in batches, as on the way up
UPDATE public.customer SET email_key = NULL WHERE email_key IS NOT NULL AND customer_id % 4 = 0;
UPDATE public.customer SET email_key = NULL WHERE email_key IS NOT NULL AND customer_id % 4 = 1;
UPDATE public.customer SET email_key = NULL WHERE email_key IS NOT NULL AND customer_id % 4 = 2;
UPDATE public.customer SET email_key = NULL WHERE email_key IS NOT NULL AND customer_id % 4 = 3;
