"""The report for CI: JUnit XML, a test case for each gate and each scenario.

A pure fold of the journal. What did not hold is a failure, what is UNKNOWN an error, what was not reached or does
not apply a skip; never a pass that the journal does not hold.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET  # written here, never read

from console.evidence.recorded import gate_verdicts, scenario_verdicts
from console.model.kept_words import kept_words
from console.model.run_state import RunState
from console.model.sample_words import sample_words
from console.model.text import visible
from console.model.verdict import GateVerdict

_ELEMENTS = {GateVerdict.FAIL: "failure", GateVerdict.UNKNOWN: "error"}


def junit(state: RunState) -> str:
    """Return the report; a run that has not ended is an error of its own."""
    root = ET.Element("testsuites", name=f"drydock {_safe(state.run)}")
    created = state.created
    words = {one.id: (f"{one.id} {one.title}", one.step) for one in created.gates} if created else {}
    judged = gate_verdicts(state).items()
    gates = [(*words.get(gate, (gate, "")), verdict, reason, 0) for gate, (verdict, reason) in judged]
    _suite(root, "gates", gates)
    titles = {one.id: f"{one.id} {one.title}" for one in created.scenarios} if created else {}
    ends = state.scenarios
    _suite(
        root, "scenarios",
        [
            (titles.get(one, one), one, verdict, ends[one].reason if one in ends else "",
             ends[one].duration_ms if one in ends else 0)
            for one, verdict in scenario_verdicts(state).items()
        ],
    )  # fmt: skip
    of = f", {copy}" if (copy := sample_words(state) or kept_words(state)) else ""
    _suite(root, "run", [(f"the run's verdict and closure{of}", "run", *_run_verdict(state), 0)])
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _run_verdict(state: RunState) -> tuple[str, str]:
    ended = state.ended
    if ended is None:
        return GateVerdict.UNKNOWN, f"the run has not ended ({state.condition})"
    if ended.verdict == "PASS" and ended.closure == "CLEAN":
        return GateVerdict.PASS, ""
    left = "; ".join(ended.residue)
    said = f"{ended.verdict}, {ended.closure}: {ended.reason}" + (f"; left: {left}" if left else "")
    return GateVerdict.FAIL, said


def _suite(root: ET.Element, name: str, cases: list[tuple[str, str, str, str, int]]) -> None:
    verdicts = [verdict for _title, _place, verdict, _reason, _ms in cases]
    failures, errors = verdicts.count(GateVerdict.FAIL), verdicts.count(GateVerdict.UNKNOWN)
    skipped = len(verdicts) - failures - errors - verdicts.count(GateVerdict.PASS)
    suite = ET.SubElement(
        root, "testsuite", name=name, tests=str(len(cases)), failures=str(failures), errors=str(errors),
        skipped=str(skipped),
    )  # fmt: skip
    for title, place, verdict, reason, duration_ms in cases:
        case = ET.SubElement(
            suite, "testcase", name=_safe(title), classname=f"drydock.{name}.{_safe(place)}",
            time=f"{duration_ms / 1000:.3f}",
        )  # fmt: skip
        if verdict != GateVerdict.PASS:
            kind = _ELEMENTS.get(GateVerdict(verdict), "skipped") if verdict in set(GateVerdict) else "error"
            below = ET.SubElement(case, kind, message=_safe(f"{verdict}: {reason}" if reason else verdict))
            below.text = _safe(reason)


def _safe(text: str) -> str:
    """Return text of one line without what XML 1.0 cannot hold or a terminal would act on."""
    return visible(text.replace("\n", " "))
