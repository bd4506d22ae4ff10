-- Purpose: undo what a probe did, also when it was refused; the role stays taken, and so does the point.
-- Columns: none.
-- Lowest server version: 15.
ROLLBACK TO SAVEPOINT before_probe;
