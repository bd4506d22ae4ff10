"""The reports for programs: JSON fits its schema, JUnit counts what the journal holds, HTML needs nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fix_journals import CULPRIT, SERVER_WORDS, Story, aborted_at_b1, fail_at_s4, passed, running_in_c05
from fix_packs import Packs

from console.evidence.html import html
from console.evidence.junit import junit
from console.evidence.summary import machine_report
from console.model.event import ScenarioFinished

CHECKOUT = Path(__file__).resolve().parents[2]
STORIES = [passed, fail_at_s4, aborted_at_b1, running_in_c05, Story]
VOID = {"meta", "link", "br", "input", "line", "rect"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[2J\u202e"


def misfits(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Return where a value does not fit the part of JSON Schema that docs/report.schema.json uses."""
    kinds: dict[str, Any] = {"string": str, "integer": int, "object": dict, "array": list, "null": type(None)}
    if "anyOf" in schema:
        return [] if any(not misfits(value, one) for one in schema["anyOf"]) else [place]
    if "const" in schema or "enum" in schema:
        return [] if value in schema.get("enum", [schema.get("const")]) else [f"{place} {value!r}"]
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not isinstance(value, tuple(kinds[one] for one in wanted)):
        return [f"{place} {value!r}"]
    found: list[str] = []
    if isinstance(value, list) and "items" in schema:
        found += [
            one
            for number, item in enumerate(value)
            for one in misfits(item, schema["items"], f"{place}[{number}]")
        ]
    if isinstance(value, dict):
        found += [f"{place} lacks {name}" for name in schema.get("required", []) if name not in value]
        more = schema.get("additionalProperties", True)
        for name, item in value.items():
            below = schema.get("properties", {}).get(name, more)
            found += [f"{place} has {name}"] if below is False else []
            found += misfits(item, below, f"{place}.{name}") if isinstance(below, dict) else []
    return found


def schema() -> dict[str, Any]:
    """Return the published schema."""
    found: dict[str, Any] = json.loads((CHECKOUT / "docs" / "report.schema.json").read_text("utf-8"))
    return found


def test_the_schema_is_up_to_date() -> None:
    """A schema that differs from what its script prints is found."""
    spec = importlib.util.spec_from_file_location("report_schema", CHECKOUT / "docs" / "report_schema.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert schema() == module.schema(), "python docs/report_schema.py > docs/report.schema.json"


@pytest.mark.parametrize("story", STORIES)
def test_json_fits_the_schema(story: Callable[[], Story]) -> None:
    """A report of any run, also of one that goes on or holds nothing, fits the published schema."""
    assert misfits(json.loads(json.dumps(machine_report(story().state))), schema()) == []


def test_real_reports_fit_the_schema(packs: Packs) -> None:
    """report.json in both packs, and what the command prints, fit the schema; a field more would not."""
    for ended in (packs.passed, packs.failed):
        kept = json.loads((ended.folder / "report.json").read_bytes())
        assert misfits(kept, schema()) == []
        assert kept["verdict"] == ended.summary["verdict"]
        assert misfits(kept | {"invented": 1}, schema()) == ["$ has invented"]
    words = [
        "report",
        packs.failed.folder.name,
        "--format",
        "json",
        "--runs-dir",
        str(packs.failed.folder.parent),
    ]
    assert misfits(json.loads(packs.drydock.command(*words).stdout), schema()) == []


def test_junit_counts_what_the_journal_holds(packs: Packs) -> None:
    """Failures are the failed gate, the failed scenario and the run; what was not reached is skipped."""
    root = ET.fromstring((packs.failed.folder / "report.junit.xml").read_bytes())
    told = {suite.get("name"): suite for suite in root}
    gates = packs.failed.summary["gates"]
    assert told["gates"].get("failures") == str(list(gates.values()).count("FAIL"))
    assert told["gates"].get("skipped") == str(sum(one.startswith("NOT_") for one in gates.values()))
    [failure] = [case.find("failure") for case in told["scenarios"] if case.find("failure") is not None]
    assert failure is not None and SERVER_WORDS in str(failure.get("message"))
    assert told["run"].get("failures") == "1"
    passing = ET.fromstring((packs.passed.folder / "report.junit.xml").read_bytes())
    assert {suite.get("failures") for suite in passing} == {"0"}
    assert {suite.get("errors") for suite in passing} == {"0"}


def test_junit_of_an_unfinished_run_is_an_error() -> None:
    """A run that goes on is no success in CI, and hostile words leave the XML whole."""
    root = ET.fromstring(junit(running_in_c05().state).encode())
    assert [suite.get("errors") for suite in root if suite.get("name") == "run"] == ["1"]
    story = fail_at_s4().add(
        ScenarioFinished(scenario="S4", verdict="FAIL", duration_ms=1, reason=HOSTILE + "\x00")
    )
    ET.fromstring(junit(story.state).encode())


class Page(HTMLParser):
    """A page's elements, in order, and whether every one that opens closes where it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element."""
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect the words."""
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words += data


def test_the_page_needs_nothing_else(packs: Packs) -> None:
    """No element of a real page loads anything, its policy forbids it, and every element closes."""
    for ended in (packs.passed, packs.failed):
        text = (ended.folder / "report.html").read_text("utf-8")
        page = Page(text)
        assert (page.wrong, page.open) == ([], [])
        loading = {"src", "href", "action", "data", "poster", "srcset", "background", "xlink:href"}
        named = {value for _tag, attrs in page.tags for key, value in attrs.items() if key in loading}
        assert all(value == "data:," or str(value).startswith("#") for value in named)
        assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", text)
        policy = next(str(attrs["content"]) for tag, attrs in page.tags if attrs.get("http-equiv"))
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert not any(key.startswith("on") or key == "style" for _tag, attrs in page.tags for key in attrs)


def test_the_page_says_what_people_look_for(packs: Packs) -> None:
    """Verdict, culprit, the server's words, every gate, the matrix, the trace with its filter and the timeline."""
    page = Page((packs.failed.folder / "report.html").read_text("utf-8"))
    for words in (
        "FAIL at S4, CLEAN, cause subject",
        CULPRIT,
        SERVER_WORDS,
        "decision_backlog_entry",
        "25001",
    ):
        assert words in page.words
    ids = {attrs.get("id") for _tag, attrs in page.tags}
    assert set(packs.failed.summary["gates"]) <= ids
    assert {"trace-text", "trace-scenario", "trace-errors", "timeline", "matrix", "statements"} <= ids
    rows = [attrs for tag, attrs in page.tags if tag == "tr" and "data-scenario" in attrs]
    assert sum(attrs["class"] == "error" for attrs in rows) == 1
    assert [tag for tag, _attrs in page.tags].count("svg") == 2


@pytest.mark.parametrize("story", STORIES)
def test_a_page_of_any_run_is_whole(story: Callable[[], Story], tmp_path: Path) -> None:
    """Also without a trace, an end, or any event the page's elements close."""
    page = Page(html(story().state, tmp_path))
    assert (page.wrong, page.open) == ([], [])


def test_hostile_words_are_only_words(tmp_path: Path) -> None:
    """Markup, escape sequences and a bidirectional override in recorded text do nothing on the page."""
    story = fail_at_s4().add(
        ScenarioFinished(scenario="S5", verdict="FAIL", duration_ms=1, reason=HOSTILE, culprit=HOSTILE)
    )
    text = html(story.state, tmp_path)
    page = Page(text)
    assert [tag for tag, _attrs in page.tags].count("script") == 1
    assert "img" not in {tag for tag, _attrs in page.tags}
    assert "\x1b" not in text and "\u202e" not in text
    assert "</script><script>alert(1)</script>" in page.words
