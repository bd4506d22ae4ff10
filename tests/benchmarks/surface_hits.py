"""What a surface verdict costs: `python -m tests.benchmarks.surface_hits [--repeat N] [--json FILE]`.

Once for a text that nobody has judged, and again for one that somebody has: what every further statement of a
scenario pays, after the scenario, never while the subject waits. Medians of a hundred thousand hits.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from figures import options, shuffled, tell

from console.engine.statements import verbs_of
from console.witness.surface import judge_for, judge_text

TEXT = "SELECT id, label FROM public.entry WHERE unit_ref = $1 AND status <> 'done' ORDER BY id"
MAJOR, HITS, MISSES = 16, 100_000, 200


def hit_ns() -> float:
    """Return the nanoseconds of a verdict that is known, without those of the loop around it."""
    judge, texts = judge_for(major=MAJOR), [TEXT] * HITS
    judge(TEXT)
    return _each_ns(judge, texts) - _each_ns(None, texts)


def verbs_ns() -> float:
    """Return the same for a text's verbs alone."""
    texts = [TEXT] * HITS
    verbs_of(TEXT)
    return _each_ns(verbs_of, texts) - _each_ns(None, texts)


def miss_ns() -> float:
    """Return the nanoseconds of a verdict that is new."""
    judge = judge_for(major=MAJOR)
    return _each_ns(judge, [f"{TEXT} LIMIT {time.monotonic_ns()}{number}" for number in range(MISSES)])


def _each_ns(asked: object, texts: list[str]) -> float:
    began_ns = time.perf_counter_ns()
    if callable(asked):
        for text in texts:
            asked(text)
    else:
        for _text in texts:
            pass
    return (time.perf_counter_ns() - began_ns) / len(texts)


if __name__ == "__main__":
    given = options(repeat=9)
    assert judge_for(major=MAJOR)(TEXT) == judge_text(TEXT, major=MAJOR)
    ways = {"a known verdict": hit_ns, "a known text's verbs": verbs_ns, "a new verdict": miss_ns}
    tell({"ns": {name: round(took) for name, took in shuffled(ways, given.repeat).items()}}, given.json)
