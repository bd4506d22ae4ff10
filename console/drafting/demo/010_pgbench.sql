-- The four tables of pgbench -i, scale 1 (PostgreSQL manual, pgbench), and a role that may run its transaction.
CREATE TABLE pgbench_branches (bid integer NOT NULL, bbalance integer, filler character(88)) WITH (fillfactor = 100);
CREATE TABLE pgbench_tellers (tid integer NOT NULL, bid integer, tbalance integer, filler character(84))
    WITH (fillfactor = 100);
CREATE TABLE pgbench_accounts (aid integer NOT NULL, bid integer, abalance integer, filler character(84))
    WITH (fillfactor = 100);
CREATE TABLE pgbench_history (
    tid integer, bid integer, aid integer, delta integer, mtime timestamp without time zone, filler character(22)
);
INSERT INTO pgbench_branches (bid, bbalance) VALUES (1, 0);
INSERT INTO pgbench_tellers (tid, bid, tbalance) SELECT n, 1, 0 FROM generate_series(1, 10) AS n;
INSERT INTO pgbench_accounts (aid, bid, abalance, filler)
    SELECT n, 1, 0, '' FROM generate_series(1, current_setting('drydock.demo_rows')::integer) AS n;
ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid);
ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid);
ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);
CREATE ROLE teller LOGIN CONNECTION LIMIT 2;
GRANT CONNECT ON DATABASE pgbench TO teller;
GRANT USAGE ON SCHEMA public TO teller;
GRANT SELECT ON pgbench_branches, pgbench_tellers, pgbench_accounts, pgbench_history TO teller;
GRANT UPDATE (bbalance) ON pgbench_branches TO teller;
GRANT UPDATE (tbalance) ON pgbench_tellers TO teller;
GRANT UPDATE (abalance) ON pgbench_accounts TO teller;
GRANT INSERT ON pgbench_history TO teller;
