-- Five hundred jobs by procrastinate's own function, and a role that defers more of them by an INSERT.
SELECT count(*) FROM generate_series(1, 500) AS n, LATERAL procrastinate_defer_jobs_v1(ARRAY[
    ROW('mail', 'send', n % 3, NULL, NULL, jsonb_build_object('n', n), NULL)::procrastinate_job_to_defer_v1
]);
CREATE ROLE deferrer LOGIN;
GRANT SELECT, INSERT ON procrastinate_jobs TO deferrer;
GRANT UPDATE (abort_requested) ON procrastinate_jobs TO deferrer;
GRANT INSERT ON procrastinate_events TO deferrer;
GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq TO deferrer;
GRANT EXECUTE ON FUNCTION procrastinate_defer_jobs_v1(procrastinate_job_to_defer_v1[]) TO deferrer;
