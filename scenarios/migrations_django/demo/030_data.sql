-- Purpose: rows for the demo; drydock.demo_rows says how many customers, each with two purchases.
-- Lowest server version: 16.

SET ROLE shop_owner;

INSERT INTO public.django_migrations (app, name, applied) VALUES ('shop', '0001_initial', '2026-01-01 00:00:00+00');

INSERT INTO public.shop_customer (email, name)
SELECT 'Customer.' || n || '@Example.ORG', 'customer ' || n
FROM generate_series(1, greatest(current_setting('drydock.demo_rows')::integer, 4)) AS n;

INSERT INTO public.shop_purchase (customer_id, amount_cents, status)
SELECT id, (id * 37 % 100000)::integer, CASE WHEN id % 3 = 0 THEN 'open' ELSE 'paid' END
FROM public.shop_customer, generate_series(1, 2);

RESET ROLE;
