-- Purpose: where one sequence stands; after a ROLLBACK is_called alone can show that it was moved.
-- Columns: last_value, is_called.
-- Lowest server version: 15.
SELECT last_value, is_called FROM {sequence};
