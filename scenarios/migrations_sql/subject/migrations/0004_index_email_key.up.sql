-- no transaction: an index that lets reads and writes go on is built in several of its own
CREATE INDEX CONCURRENTLY customer_email_key ON public.customer (email_key);
