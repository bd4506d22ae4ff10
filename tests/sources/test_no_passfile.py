"""The passfile that no session reads: libpq takes no password from elsewhere, and says nothing about it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from console.sources.connection import NO_PASSFILE

CONNECT = """
import sys, psycopg
try:
    psycopg.connect(host="/no/such/folder", dbname="d", user="u", passfile=sys.argv[1])
except psycopg.OperationalError:
    sys.exit(7)
"""


@pytest.mark.parametrize(("passfile", "said"), [(NO_PASSFILE, False), ("/dev/null", True)])
def test_libpq_is_silent_about_it(passfile: str, said: bool) -> None:
    """Words of libpq's own go to the process's stderr, which is the engine's log: none for ours, some for a device."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", CONNECT, passfile], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7
    assert ("password file" in done.stderr) is said
