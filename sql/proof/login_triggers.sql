-- Purpose: the functions of event triggers that a new session sets off.
-- Columns: function_oid, trigger_name.
-- Lowest server version: 15.
SELECT e.evtfoid AS function_oid, e.evtname::text AS trigger_name
FROM pg_catalog.pg_event_trigger AS e
WHERE e.evtevent = 'login' AND e.evtenabled <> 'D'
ORDER BY e.evtname;
