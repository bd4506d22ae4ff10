"""Prints where the suite's time went: `minutes.py JUNIT.xml [WORKERS]`, seconds of tests by folder, most first.

With the number of workers (2), also the minutes that a folder's tests take on them. Judges nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from xml.etree import ElementTree


def table(junit: str, workers: int) -> str:
    """Return a line for each folder, and one for all."""
    seconds: dict[str, float] = {}
    tests: Counter[str] = Counter()
    for case in ElementTree.parse(junit).iter("testcase"):  # noqa: S314 - pytest's own file
        folder = case.get("classname", "").removeprefix("tests.").partition(".")[0]
        for name in (folder, "all"):
            seconds[name] = seconds.get(name, 0.0) + float(case.get("time", "0"))
            tests[name] += 1
    return "".join(
        f"{name:16}{tests[name]:6} tests {spent:8.1f} s {spent / workers / 60:6.1f} min\n"
        for name, spent in sorted(seconds.items(), key=lambda one: -one[1])
    )


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1], int((*sys.argv[2:], "2")[0])))
