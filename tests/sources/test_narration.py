"""What pg_dump tells while it works, apart from what it complains about."""

from __future__ import annotations

from console.sources.narration import Narration, rows_dumped

SAID = (
    b"Password: pg_dump: last built-in OID is 16383\n"
    b"pg_dump: reading extensions\n"
    b'pg_dump: dumping contents of table "public.big"\n'
    b"pg_dump: warning: there are circular foreign-key constraints on this table:\n"
    b'pg_dump: dumping contents of table "public.small"\n'
    b"pg_dump: error: query failed: ERROR:  permission denied for table small\n"
    b"pg_dump: detail: Query was: LOCK TABLE public.small\n"
    b"somebody else's last words"
)
COMPLAINTS = (
    b"pg_dump: warning: there are circular foreign-key constraints on this table:\n"
    b"pg_dump: error: query failed: ERROR:  permission denied for table small\n"
    b"pg_dump: detail: Query was: LOCK TABLE public.small\n"
    b"somebody else's last words"
)


def heard(said: bytes, piece_bytes: int) -> Narration:
    """Return what was heard of words that came in pieces."""
    narration = Narration()
    for start in range(0, len(said), piece_bytes):
        narration.hear(said[start : start + piece_bytes])
    return narration


def test_complaints_are_kept_and_the_rest_is_not() -> None:
    """Narration stands among the complaints, or one of them is lost, wherever the pieces were cut."""
    for piece_bytes in (1, 7, 64, len(SAID)):
        narration = heard(SAID, piece_bytes)
        assert narration.complaints() == COMPLAINTS
        assert narration.begun == ["public.big", "public.small"]
    assert heard(SAID, 9).complaints(limit_bytes=10) == COMPLAINTS[-10:]


def test_rows_count_when_their_table_is_through() -> None:
    """The table that is being dumped counts already, or one that nobody counted breaks the sum."""
    rows = {"public.big": 1_000, "public.small": 5}
    assert rows_dumped([], rows, {}) == 0
    assert rows_dumped(["public.big"], rows, {}) == 0
    assert rows_dumped(["public.big", "public.unknown", "public.small"], rows, {}) == 1_000
    assert rows_dumped(["public.big"], rows, {"public.big": 400}) == 400
    both = {"public.big": 400, "public.small": 9_999_999}
    assert rows_dumped(["public.big", "public.small"], rows, both) == 400 + rows["public.small"]
    assert rows_dumped(["public.big", "public.unknown"], rows, {"public.stranger": 5}) == 1_000


def test_a_line_without_an_end_is_bounded() -> None:
    """A flood without a newline is kept whole in memory."""
    narration = heard(b"x" * 10_000_000, 1 << 16)
    assert len(narration.complaints(limit_bytes=1 << 30)) < 100_000
