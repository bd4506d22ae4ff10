"""`drydock` as it is, but for the engine that it starts: one that meets a fault at a moment that a cell names.

Usage: armed_console.py SPEC.json WORD...
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ENGINE = str(Path(__file__).with_name("armed_engine.py"))
SPEC = Path(sys.argv.pop(1))
WORKER = ["-I", "-m", "console.engine.worker"]
_start = subprocess.Popen.__init__


def _armed(self: Any, argv: Any, *given: Any, **words: Any) -> None:
    if list(argv[1:4]) == WORKER:
        told = json.loads(SPEC.read_text("utf-8")) | {"console": os.getpid()}
        SPEC.write_text(json.dumps(told), "utf-8")
        argv = [argv[0], "-I", ENGINE, "console.engine.worker", str(SPEC), *argv[4:]]
    _start(self, argv, *given, **words)


setattr(subprocess.Popen, "__init__", _armed)  # noqa: B010 - mypy knows no other signature for it

from console.cli.main import entry  # noqa: E402

entry()
