"""Subjects whose harness does not do what a harness does: code that the end of SWEEP runs."""

from __future__ import annotations

CHANNELS = """
import os
def channels():
    for name in os.listdir('/proc/self/fd'):
        try:
            if int(name) > 2 and os.readlink('/proc/self/fd/' + name).startswith('pipe:'):
                yield int(name)
        except OSError:
            pass
"""

CODE = {
    "a harness that floods stdout": (
        "import sys\nfor _ in range(100): sys.stdout.write('x' * (1 << 20)); sys.stdout.flush()"
    ),
    "a harness that prints garbage": CHANNELS
    + """
for fd in (1, *channels()):
    try:
        os.write(fd, b'\\xff\\x00 not json\\n')
    except OSError:
        pass
""",
    "a harness that hangs": "import time\nwhile True: time.sleep(60)",
    "a harness that exits 0 early": "import os; os._exit(0)",
    "a statement that returns 100 MB": """
connection = adapter._pool.acquire()
connection.execute("SELECT repeat('x', 1000000) FROM generate_series(1, 100)").fetchall()
connection.rollback()
adapter._pool.release(connection)
""",
}
SOON = ("pack.toml", "scenario_timeout_s = 120", "scenario_timeout_s = 4")
"""A change of the pack: a harness that hangs is given up after seconds."""
