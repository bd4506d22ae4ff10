-- no transaction: each batch is one of its own, so that no row stays locked for longer than its batch
UPDATE public.customer SET email_key = lower(email) WHERE email_key IS NULL AND customer_id % 4 = 0;
UPDATE public.customer SET email_key = lower(email) WHERE email_key IS NULL AND customer_id % 4 = 1;
UPDATE public.customer SET email_key = lower(email) WHERE email_key IS NULL AND customer_id % 4 = 2;
UPDATE public.customer SET email_key = lower(email) WHERE email_key IS NULL AND customer_id % 4 = 3;
