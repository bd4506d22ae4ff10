-- Purpose: subscriptions of any database of the cluster, and publications of this one.
-- Columns: kind, name, detail. The connection text is not read: it holds a password.
-- Lowest server version: 15.
SELECT 'subscription' AS kind, s.subname AS name,
       CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END
       || ', owned by ' || pg_get_userbyid(s.subowner) AS detail
FROM pg_catalog.pg_subscription AS s
UNION ALL
SELECT 'publication', p.pubname, 'owned by ' || pg_get_userbyid(p.pubowner)
FROM pg_catalog.pg_publication AS p
ORDER BY 1, 2;
