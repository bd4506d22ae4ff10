-- Whatever PostgreSQL allows and a tool forgets: names with capitals, blanks, quotes and dots, two schemas, partitions,
-- identity and generated columns, domains, enums, defaults with functions, a role that owns what it writes.
CREATE ROLE "Own er" LOGIN;
CREATE SCHEMA "Sales Data" AUTHORIZATION "Own er";
CREATE SCHEMA audit;
GRANT USAGE ON SCHEMA audit TO "Own er";
SET ROLE "Own er";
CREATE DOMAIN "Sales Data".positive AS integer CHECK (VALUE > 0);
CREATE TYPE "Sales Data"."State" AS ENUM ('new', 'it''s done');
CREATE TABLE "Sales Data"."Order" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "select" text NOT NULL,
    amount "Sales Data".positive NOT NULL,
    doubled integer GENERATED ALWAYS AS (amount * 2) STORED,
    state "Sales Data"."State" NOT NULL DEFAULT 'new'
);
CREATE TABLE "Sales Data"."a.b" (number serial PRIMARY KEY, "quo""te" text);
CREATE TABLE "Sales Data".event (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE "Sales Data".event_2025 PARTITION OF "Sales Data".event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE "Sales Data".event_2026 PARTITION OF "Sales Data".event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO "Sales Data"."Order" ("select", amount) SELECT 'row ' || n, n FROM generate_series(1, 40) AS n;
INSERT INTO "Sales Data".event SELECT '2025-12-20'::date + n, 'day ' || n FROM generate_series(0, 29) AS n;
RESET ROLE;
CREATE SEQUENCE audit.ticket;
CREATE TABLE audit.log (ticket bigint PRIMARY KEY DEFAULT nextval('audit.ticket'), said text NOT NULL);
INSERT INTO audit.log (said) SELECT 'line ' || n FROM generate_series(1, 7) AS n;
GRANT SELECT, INSERT ON audit.log TO "Own er";
GRANT USAGE ON SEQUENCE audit.ticket TO "Own er";
