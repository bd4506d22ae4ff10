-- Purpose: the settings that a role's sessions in this database begin with: the nearest of several wins, as the server
-- reads them (both, then the role's, then the database's, then everybody's).
-- Columns: name, value (as kept; of a list its whole text).
-- Lowest server version: 15.
SELECT DISTINCT ON (pg_catalog.lower(s.name)) s.name, s.value
FROM (
    SELECT pg_catalog.split_part(c.entry, '=', 1) AS name,
           pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1) AS value,
           g.setrole <> 0 AS of_the_role, g.setdatabase <> 0 AS of_the_database
    FROM pg_catalog.pg_db_role_setting AS g
    CROSS JOIN LATERAL pg_catalog.unnest(g.setconfig) AS c (entry)
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.setrole
    LEFT JOIN pg_catalog.pg_database AS d ON d.oid = g.setdatabase
    WHERE (g.setrole = 0 OR r.rolname = %(role)s)
      AND (g.setdatabase = 0 OR d.datname = pg_catalog.current_database())
) AS s
ORDER BY pg_catalog.lower(s.name), s.of_the_role DESC, s.of_the_database DESC;
