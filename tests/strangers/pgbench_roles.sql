-- A teller who may do what pgbench's own transaction does, and no more.
CREATE ROLE teller LOGIN CONNECTION LIMIT 2;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO teller;
GRANT UPDATE (bbalance) ON pgbench_branches TO teller;
GRANT UPDATE (tbalance) ON pgbench_tellers TO teller;
GRANT UPDATE (abalance) ON pgbench_accounts TO teller;
GRANT INSERT ON pgbench_history TO teller;
