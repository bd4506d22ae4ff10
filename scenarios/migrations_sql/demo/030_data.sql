-- Purpose: rows for the demo; drydock.demo_rows says how many customers, each with two purchases.
-- Lowest server version: 16.

SET ROLE shop_owner;

INSERT INTO public.customer (email, name, created_at)
SELECT 'Customer.' || n || '@Example.ORG', 'customer ' || n, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 minute'
FROM generate_series(1, greatest(current_setting('drydock.demo_rows')::integer, 4)) AS n;

INSERT INTO public.purchase (customer_id, amount_cents, status)
SELECT customer_id, (customer_id * 37 % 100000)::integer, CASE WHEN customer_id % 3 = 0 THEN 'open' ELSE 'paid' END
FROM public.customer, generate_series(1, 2);

RESET ROLE;
