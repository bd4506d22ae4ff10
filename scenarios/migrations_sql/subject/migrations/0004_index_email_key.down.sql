-- no transaction
DROP INDEX CONCURRENTLY public.customer_email_key;
