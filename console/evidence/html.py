"""The report as one HTML file that needs nothing else: no network, no other file, no script but its own.

Every recorded text is made visible and escaped here; a content security policy in the page refuses whatever
would slip through. Shows the beginning and the end of a long trace, and says so.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

import msgspec

from console.evidence import plots
from console.evidence.documents import gates, matrix
from console.evidence.migration_output import Page, pages
from console.evidence.recorded import place_of_end, scenario_verdicts
from console.evidence.required_output import required_output
from console.evidence.sample_output import SAMPLE_HEADER, sample_rows
from console.evidence.storage import open_kept
from console.model.kept_words import kept_words
from console.model.rewinds import rewound_words
from console.model.run_state import RunState
from console.model.sample_words import sample_words
from console.model.text import visible
from console.model.trace import ClientStatement

SHOWN_STATEMENTS = 4000
_SHOWN_FACT_CHARS = 4000
_SHOWN_SQL_CHARS = 2000
_CLIENT = b'{"w":"client",'
_NO_ERROR = b'"sqlstate":""'
_INLINE = re.compile(r"(?P<fence>`+)(?P<code>.+?)(?P=fence)(?!`)|\*\*(?P<strong>[^*]+)\*\*")
_decoder = msgspec.json.Decoder(ClientStatement)


def text(value: object, *, limit_chars: int = 0) -> str:
    """Return a recorded value as HTML text of one line."""
    return escape(visible(value if isinstance(value, str) else str(value), limit_chars=limit_chars))


def html(state: RunState, folder: Path) -> str:
    """Return the whole page for a run's journal and the trace in its folder."""
    style, script = _data("report.css"), _data("report.js")
    own = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:"
    policy = f"default-src 'none'; {own}; base-uri 'none'"
    sections = [(name, title, body) for name, title, body in _sections(state, folder) if body]
    links = " ".join(f'<a href="#{name}">{title}</a>' for name, title, _body in sections)
    body = "\n".join(
        f'<section id="{name}" aria-label="{title}"><h2>{title}</h2>\n{below}</section>'
        for name, title, below in sections
    )
    run = text(state.run or "unknown")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>Drydock: run {run}</title>\n<style>{style}</style>\n</head>\n<body>\n'
        f'<a class="skip" href="#main">to the report</a>\n<header><h1>Drydock report: run {run}</h1>\n'
        f"{_headline(state)}\n<nav aria-label=\"sections\">{links}</nav></header>\n"
        f'<main id="main">\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n'
    )  # fmt: skip


def _data(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")


def _sections(state: RunState, folder: Path) -> Iterator[tuple[str, str, str]]:
    yield "gates", "Gates", _gates(state)
    yield "scenarios", "Scenarios", _scenarios(state)
    if state.created is not None and state.created.plan == "migration":
        for number, one in enumerate(pages(state), 1):
            yield f"migration-{number}", one.title, _page(one)
    else:
        yield "matrix", "Row matrix", _matrix(state)
    yield "timeline", "Timeline", plots.timeline(state)
    yield "statements", "Statements", plots.statements(state)
    yield "trace", "Trace", _trace(folder)
    if state.created is None or state.created.plan != "migration":
        yield "output", "Required output", _pairs(required_output(state))
    if taken := sample_rows(state):
        yield "sample", "Sample and masks", _page_of_sample(taken)
    yield "decisions", "Boundaries and decisions", _decisions(state)
    yield "receipts", "Receipts", _receipts(state)
    yield "limits", "What this evidence cannot claim", _limits(state)


def _page(one: Page) -> str:
    if not one.rows:
        return f"<p>{text(one.empty)}</p>"
    return f"<p>{text(one.sentence)}</p>" + _table(one.header, (_cells(*map(text, row)) for row in one.rows))


def _page_of_sample(taken: list[tuple[str, ...]]) -> str:
    return _table(SAMPLE_HEADER, (_cells(*map(text, row)) for row in taken))


def _headline(state: RunState) -> str:
    created, ended = state.created, state.ended
    if ended is None:
        return f'<p class="verdict wait">no verdict: the run has not ended ({text(state.condition)})</p>'
    place = place_of_end(state)
    where = f" at {text(place)}" if place else ""
    cause = f", cause {text(ended.cause)}" if ended.cause else ""
    lines = [f'<p class="verdict {ended.verdict}">{ended.verdict}{where}, {ended.closure}{cause}</p>']
    if words := sample_words(state):
        lines.append(f'<p class="reason"><strong>{text(words)}</strong></p>')
    if words := kept_words(state):
        lines.append(f'<p class="reason">{text(f"copy {words}")}</p>')
    if anew := rewound_words(created.rewound if created else (), state.facts):
        lines.append(f'<p class="reason">{text(f"copy {anew}")}</p>')
    if ended.reason:
        lines.append(f'<p class="reason">{text(ended.reason)}</p>')
    culprits = [one.culprit for one in state.scenarios.values() if one.culprit]
    lines += [f"<p>culprit: <code>{text(one)}</code></p>" for one in culprits]
    lines += [f'<p class="UNCLEAN">left behind: <code>{text(one)}</code></p>' for one in ended.residue]
    if created is not None:
        subject = text(str(created.config.get("subject_folder", "unknown")))
        times = f"{text(state.created_at)} to {text(state.last_at)}"
        lines.append(f"<p>{text(created.title)}<br>subject <code>{subject}</code>; {times}; ")
        lines.append(f"digest <code>{text(created.digest)}</code></p>")
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{one}</th>' for one in header)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{"".join(rows)}</tbody></table></div>'


def _cells(*cells: str, row: str = "") -> str:
    return f"<tr{row}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _word(verdict: str) -> str:
    glyph = {"PASS": "✓ ", "FAIL": "✗ ", "UNKNOWN": "? "}.get(verdict, "· ")
    return f'<span class="{escape(verdict)}">{glyph}{text(verdict)}</span>'


def _gates(state: RunState) -> str:
    rows = []
    for one in gates(state):
        below = "".join(_fact(state, name) for name in one["facts"])
        reason = text(one["reason"]) + below
        row = f' id="{escape(one["gate"])}"'
        rows.append(
            _cells(
                text(one["gate"]),
                text(one["step"]),
                _word(one["verdict"]),
                text(one["title"]),
                reason,
                row=row,
            )
        )
    return _table(("gate", "step", "verdict", "holds when", "reason and facts"), rows)


def _fact(state: RunState, name: str) -> str:
    value = msgspec.json.format(msgspec.json.encode(state.facts.get(name)), indent=1).decode()
    shortened = value[:_SHOWN_FACT_CHARS] + (
        "\n… the journal has it whole" if len(value) > _SHOWN_FACT_CHARS else ""
    )
    lines = "\n".join(text(line) for line in shortened.split("\n"))
    source = text(state.fact_sources.get(name, ""))
    return f"<details><summary>{text(name)}: {source}</summary><pre>{lines}</pre></details>"


def _scenarios(state: RunState) -> str:
    words = {one.id: one for one in state.created.scenarios} if state.created else {}
    rows = []
    for scenario, verdict in scenario_verdicts(state).items():
        end = state.scenarios.get(scenario)
        title = words[scenario].title if scenario in words else ""
        more = "<br>".join(text(one) for one in dict.fromkeys([end.reason, *end.findings])) if end else ""
        took = f"{end.duration_ms} ms" if end else ""
        rows.append(
            _cells(
                text(scenario), _word(verdict), text(title), str(end.statements) if end else "", took, more
            )
        )
    return _table(("scenario", "verdict", "title", "statements", "took", "reason"), rows)


def _matrix(state: RunState) -> str:
    told = matrix(state)
    scenarios = told["scenarios"]
    rows = []
    for name in told["tables"]:
        cells = [_change(one["found"], name, one["expected"].get(name, 0)) for one in scenarios.values()]
        rows.append(f'<tr><th scope="row">{text(name)}</th>{"".join(cells)}</tr>\n')
    return "<p>Change of the row count: found / expected.</p>" + _table(
        ("table", *map(text, scenarios)), rows
    )


def _change(found: dict[str, int] | None, name: str, expected: int) -> str:
    if found is None or name not in found:
        return (
            f'<td class="number same">not measured / {expected:+d}</td>'
            if expected
            else '<td class="number same">not measured</td>'
        )
    kind = "off" if found[name] != expected else "hit" if expected else "same"
    mark = " ✗" if kind == "off" else ""
    return f'<td class="number {kind}">{found[name]:+d} / {expected:+d}{mark}</td>'


def _trace(folder: Path) -> str:
    try:
        kept, total, scenarios = _kept_statements(folder)
    except FileNotFoundError:
        return ""
    options = "".join(f"<option>{text(one)}</option>" for one in scenarios)
    left = total - len(kept)
    note = f"<p>{left} statements between are not shown here: trace.jsonl has them.</p>" if left else ""
    rows = "".join(_statement(one) for one in kept)
    header = ("#", "scenario", "phase", "principal", "transaction", "statement", "rows", "ms", "error")
    head = "".join(f'<th scope="col">{one}</th>' for one in header)
    return (
        '<div class="filter" role="search"><label>contains ( / )<br><input type="search" id="trace-text"></label>'
        f'<label>scenario<br><select id="trace-scenario"><option value="">all</option>{options}</select></label>'
        '<label><input type="checkbox" id="trace-errors"> errors only</label>'
        f'<output id="trace-count" aria-live="polite">{len(kept)} statements</output></div>{note}'
        '<div class="trace" tabindex="0" role="region" aria-label="statements"><table>'
        f'<thead><tr>{head}</tr></thead><tbody id="trace-rows">\n{rows}</tbody></table></div>'
    )


def _kept_statements(folder: Path) -> tuple[list[ClientStatement], int, list[str]]:
    """Return the first and the last statements of the client, every error between up to a limit, and the total."""
    first: list[bytes] = []
    last: deque[bytes] = deque(maxlen=SHOWN_STATEMENTS // 2)
    errors: list[bytes] = []
    total = 0
    with open_kept(folder / "trace.jsonl") as file:
        for line in _lines(file.read):
            if not line.startswith(_CLIENT):
                continue
            total += 1
            if len(first) < SHOWN_STATEMENTS // 2:
                first.append(line)
                continue
            if len(last) == last.maxlen and _NO_ERROR not in last[0] and len(errors) < SHOWN_STATEMENTS // 8:
                errors.append(last[0])
            last.append(line)
    found = [_decoder.decode(line) for line in (*first, *errors, *last)]
    return found, total, list(dict.fromkeys(one.scenario for one in found if one.scenario))


def _lines(read: object) -> Iterator[bytes]:
    """Yield whole lines of what `read` gives, a piece at a time."""
    assert callable(read)
    rest = b""
    while piece := read(1 << 20):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def _statement(one: ClientStatement) -> str:
    kind = "error" if one.sqlstate else ""
    row = f' class="{kind}" data-scenario="{text(one.scenario)}"'
    phase = " ".join(word for word in (one.attempt, one.phase) if word)
    error = f"✗ {text(one.sqlstate)} {text(one.message)}" if one.sqlstate else ""
    callers = f"<br><small>{text(' ← '.join(one.callers))}</small>" if one.callers else ""
    sql = f'<span class="sql">{text(one.sql, limit_chars=_SHOWN_SQL_CHARS)}</span>{callers}'
    return _cells(
        str(one.n), text(one.scenario), text(phase), text(one.principal), f"{one.transaction} {text(one.tx)}",
        sql, str(one.rows) if one.rows >= 0 else "", f"{one.duration_us / 1000:.1f}", error, row=row,
    )  # fmt: skip


def _pairs(pairs: Iterable[tuple[str, ...]]) -> str:
    return _table(("field", "value"), (_cells(_inline(name), _inline(value)) for name, value in pairs))


def _inline(markdown: str) -> str:
    """Return one finished Markdown cell as HTML: code spans and bold words, everything else as it is."""
    parts, at = [], 0
    for found in _INLINE.finditer(markdown):
        parts.append(escape(markdown[at : found.start()]))
        strong = found["strong"]
        parts.append(
            f"<strong>{escape(strong)}</strong>" if strong else f"<code>{escape(found['code'])}</code>"
        )
        at = found.end()
    return "".join((*parts, escape(markdown[at:])))


def _decisions(state: RunState) -> str:
    rows = [
        _cells(
            text(name), text(made.answer), text(made.how), text(made.operator.name) if made.operator else "nobody",
            text(state.decided_at.get(name, "")), f"<code>{text(made.digest)}</code>", text(made.reason),
        )
        for name, made in state.decisions.items()
    ]  # fmt: skip
    return _table(("boundary", "answer", "how", "who", "decided", "digest", "reason"), rows) if rows else ""


def _receipts(state: RunState) -> str:
    rows = [
        _cells(text(one.kind), f"<code>{text(one.name)}</code>", f"<code>{text(one.identity or 'never known')}</code>",
               text(one.closed) if one.closed else '<span class="FAIL">✗ still open</span>', text(one.trouble))
        for one in state.receipts.values()
    ]  # fmt: skip
    return _table(("kind", "exact name", "identity", "gone", "trouble"), rows) if rows else ""


def _limits(state: RunState) -> str:
    created = state.created
    claims = list(created.cannot_claim) if created else []
    declared = (
        [f"{gate} does not apply: {why}" for gate, why in created.not_applicable.items()] if created else []
    )
    return "<ul>" + "".join(f"<li>{text(one)}</li>" for one in [*claims, *declared]) + "</ul>"
