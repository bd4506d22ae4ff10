-- Purpose: rows for the demo; drydock.demo_rows says how many units, each with one version and one activity.
-- Lowest server version: 16.

SET ROLE directus;

WITH made AS (
    SELECT n, gen_random_uuid() AS unit_id, gen_random_uuid() AS version_id
    FROM generate_series(1, greatest(current_setting('drydock.demo_rows')::integer, 1)) AS n
), units AS (
    INSERT INTO public.information_unit
        (unit_id, unit_ref, kind, title, actor, idempotency_key, current_version_id)
    SELECT unit_id, 'iu:demo/' || n, 'note', 'unit ' || n, 'demo', 'demo-' || n, version_id FROM made
    RETURNING unit_id
)
INSERT INTO public.unit_version (version_id, unit_id, ordinal, body, payload, source)
SELECT made.version_id, units.unit_id, 1, repeat('x', 40), '{}', 'demo'
FROM made JOIN units USING (unit_id);

INSERT INTO public.decision_backlog_entry (entry_id, idempotency_key, unit_ref, status, marked_at)
SELECT gen_random_uuid(), 'demo-' || n, 'iu:demo/' || n, 'open', now() FROM generate_series(1, 12) AS n;

INSERT INTO public.decision_backlog_history (history_id, entry_id, to_status, phase, recorded_at)
SELECT gen_random_uuid(), entry_id, 'open', 'MARK', now() FROM public.decision_backlog_entry;

INSERT INTO public.directus_activity (action, at)
SELECT 'create', now() FROM generate_series(1, greatest(current_setting('drydock.demo_rows')::integer, 1));

RESET ROLE;
