-- Purpose: event triggers; one made a least-privilege role superuser during the tool's own CREATE ROLE.
-- Columns: name, detail (event, function, state).
-- Lowest server version: 15.
SELECT e.evtname AS name,
       'on ' || e.evtevent || ', runs ' || e.evtfoid::regprocedure::text || ', enabled ' || e.evtenabled::text AS detail
FROM pg_catalog.pg_event_trigger AS e
ORDER BY 1;
