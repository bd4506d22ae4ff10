-- Purpose: act as one role until the end of the transaction.
-- Columns: none.
-- Lowest server version: 15.
SET LOCAL ROLE {role};
