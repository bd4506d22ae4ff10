-- A shop: customers with a column of every type that can be masked, orders and items below them, and odd names.
CREATE SCHEMA shop;
CREATE TABLE public.country (code char(2) PRIMARY KEY, name text NOT NULL);
INSERT INTO public.country SELECT chr(65 + n) || chr(65 + n), 'country ' || n FROM generate_series(0, 9) AS n;
CREATE TABLE shop.customer (
    id integer PRIMARY KEY,
    email varchar(80) NOT NULL UNIQUE,
    name text,
    short varchar(3),
    fixed char(12),
    tiny smallint,
    big bigint,
    price numeric(10, 2),
    free numeric,
    born date,
    seen timestamp with time zone,
    local timestamp(3) without time zone,
    token uuid,
    active boolean,
    photo bytea,
    home inet,
    net cidr,
    extra json,
    more jsonb,
    ratio double precision,
    rough real,
    country char(2) REFERENCES public.country (code),
    shouted text GENERATED ALWAYS AS (upper(name)) STORED
);
INSERT INTO shop.customer (id, email, name, short, fixed, tiny, big, price, free, born, seen, local, token, active, photo,
    home, net, extra, more, ratio, rough, country)
SELECT CASE WHEN n % 7 = 0 THEN -n ELSE n END,
    'planted-original-' || n || '@corp.example', 'planted-original ' || n, 'p' || n % 90, 'planted-o' || n % 90, n % 30000 - 40,
    9000000000 + n, n * 1.25 - 60, n * 1.5, date '1970-01-01' + n, timestamptz '2001-02-03 04:05:06Z' + n * interval '1 minute',
    timestamp '2001-02-03 04:05:06' + n * interval '1 minute', md5('t' || n)::uuid, n % 2 = 0,
    convert_to('planted-original ' || n, 'UTF8'),
    CASE WHEN n % 2 = 0 THEN ('192.0.2.' || n % 250)::inet ELSE ('2001:db9::' || n % 1000)::inet END, ('192.0.2.' || n % 250)::cidr,
    json_build_object('original', 'planted-original ' || n), jsonb_build_object('original', 'planted-original ' || n),
    n * 0.37 - 20, n * 0.5,
    chr(65 + n % 10) || chr(65 + n % 10)
FROM generate_series(1, 200) AS n;
INSERT INTO shop.customer (id, email) VALUES (2147483647, 'planted-original-max@corp.example'), (0, 'planted-original-zero@corp.example'),
    (-2147483648, 'planted-original-min@corp.example');
CREATE TABLE shop."Odd ""order"".x" (
    "no" bigint PRIMARY KEY,
    customer integer REFERENCES shop.customer (id),
    email varchar(80) NOT NULL REFERENCES shop.customer (email),
    "Note\" text
);
INSERT INTO shop."Odd ""order"".x"
SELECT n, c.id, c.email, E'tab\there \\. line\nbreak \\N ' || n
FROM generate_series(1, 600) AS n JOIN shop.customer AS c ON abs(c.id::bigint) = 1 + n % 200;
CREATE TABLE shop.item (
    "order" bigint NOT NULL REFERENCES shop."Odd ""order"".x" ("no"),
    line integer NOT NULL,
    PRIMARY KEY ("order", line)
);
INSERT INTO shop.item SELECT o, l FROM generate_series(1, 600) AS o, generate_series(1, 2) AS l;
CREATE TABLE shop.parted (id integer NOT NULL, kind text NOT NULL, secret text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
CREATE TABLE shop.parted_a PARTITION OF shop.parted FOR VALUES IN ('a');
CREATE TABLE shop.parted_b PARTITION OF shop.parted FOR VALUES IN ('b');
INSERT INTO shop.parted SELECT n, chr(97 + n % 2), 'planted-original ' || n FROM generate_series(1, 50) AS n;
CREATE TABLE shop.part_note (note integer PRIMARY KEY, id integer, kind text, FOREIGN KEY (id, kind) REFERENCES shop.parted (id, kind));
INSERT INTO shop.part_note SELECT n, n, chr(97 + n % 2) FROM generate_series(1, 50) AS n;
INSERT INTO shop.part_note VALUES (51, NULL, 'a'), (52, 3, NULL);
CREATE TABLE shop.tree (id integer PRIMARY KEY, above integer REFERENCES shop.tree (id));
INSERT INTO shop.tree SELECT n, nullif(n / 2, 0) FROM generate_series(1, 31) AS n;
CREATE TABLE shop.former (left_on date) INHERITS (shop.tree);
INSERT INTO shop.former VALUES (900, NULL, date '2020-02-02');
CREATE MATERIALIZED VIEW shop.per_country AS SELECT country, count(*) AS customers FROM shop.customer GROUP BY country;
CREATE SEQUENCE shop.numbers;
SELECT nextval('shop.numbers') FROM generate_series(1, 41);
SELECT lo_from_bytea(0, convert_to('planted-original large object', 'UTF8'));
