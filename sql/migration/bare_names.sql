-- Purpose: where a role's names without a schema lead: whether a search_path of its own or a schema of its name decides
-- that, and which schemas there are besides public.
-- Columns: settled (boolean: the default search_path leads to public), others (in the words of owned_elsewhere.sql).
-- Lowest server version: 15.
SELECT NOT EXISTS (
           SELECT FROM pg_catalog.pg_db_role_setting AS s
           CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS one (setting)
           WHERE one.setting LIKE 'search_path=%%'
             AND s.setrole IN (0, coalesce(pg_catalog.to_regrole(pg_catalog.quote_ident(%(role)s))::oid, 0))
             AND s.setdatabase IN (
                 0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
             )
       )
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(role)s::name) AS settled,
       ARRAY(
           SELECT 'CREATE in ' || pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_namespace AS n
           WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
           ORDER BY 1
       ) AS others;
