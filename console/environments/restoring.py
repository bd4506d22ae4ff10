"""What every environment tells the restoring client; values only."""

from __future__ import annotations

RESTORE_ARGUMENTS = ("--no-owner", "--no-password", "--no-publications", "--no-subscriptions", "--jobs=2")
RESTORE_OPTIONS = "-c maintenance_work_mem=256MB"
"""For the restoring client's sessions alone: indexes and foreign keys of a large copy are checked in memory."""
PSQL_ARGUMENTS = ("--no-psqlrc", "--no-password", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=0")
"""Errors are judged by the server's log. `\\restrict` comes first, with a key that the dump cannot know: where a
COPY fails, psql reads its data as commands, and a variable may hold one (both measured with 16.14)."""
