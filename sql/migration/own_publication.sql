-- Purpose: give a publication to the role that owns it in the source.
-- Columns: none.
-- Lowest server version: 15.
ALTER PUBLICATION {publication} OWNER TO {role};
