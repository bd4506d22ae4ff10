-- Purpose: the shop's two tables and what its application may do with them.
-- Lowest server version: 16.

SET ROLE shop_owner;

CREATE TABLE public.customer (
    customer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE public.purchase (
    purchase_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES public.customer,
    amount_cents integer NOT NULL,
    status text NOT NULL
);
CREATE INDEX purchase_customer ON public.purchase (customer_id);

GRANT USAGE ON SCHEMA public TO shop_app;
GRANT SELECT, INSERT, UPDATE ON public.customer TO shop_app;
GRANT SELECT, INSERT ON public.purchase TO shop_app;

RESET ROLE;
