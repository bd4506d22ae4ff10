-- Purpose: with which of the named settings this session began, as its role's or its database's.
-- Columns: name, source (where its value is from; null for one that no view shows), value (of those alone; null for
-- one that is not set).
-- Lowest server version: 15.
SELECT w.name, s.source,
       CASE WHEN s.name IS NULL AND (pg_catalog.strpos(w.name, '.') > 0 OR pg_catalog.lower(w.name) = 'role')
            THEN pg_catalog.current_setting(w.name, true)
       END AS value
FROM pg_catalog.unnest(%(names)s::text[]) AS w (name)
LEFT JOIN pg_catalog.pg_settings AS s ON pg_catalog.lower(s.name) = pg_catalog.lower(w.name);
