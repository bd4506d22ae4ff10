-- Purpose: a publication of the source's, which nobody subscribes to.
-- Columns: none.
-- Lowest server version: 15.
CREATE PUBLICATION {publication} {publishes};
