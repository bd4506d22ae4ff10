"""Notifications: what they say, the two ways they go, what is said when they do not arrive, and a run beside them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fix_journals import Story, armed, fail_at_s4, waiting_at_b2
from fix_runs import Drydock, Ended, Living

from console.engine.notices import LOG_FILE, keep, kept, notice, told
from console.engine.notifier import Notifier
from console.engine.sending import post, require_command, require_webhook, run_command, webhook_refusal
from console.errors import PlanError, SecretUnavailable
from console.model.config import NotifyConfig, RunConfig, RunOrder
from console.model.event import BoundaryArmed
from console.plans.file import plan_problems

HOSTILE = "\x1b]0;owned\x07 <!channel> & \u202eevil\nsecond line"
PATIENCE_S = 60.0
PROGRAM = """#!/bin/sh
cat >> "{into}"
env >> "{into}.env"
"""


@dataclass(kw_only=True)
class Hook:
    """A webhook on this machine: what it was sent, and what it answers."""

    url: str = ""
    status: int = 204
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    hold: bool = False


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Yield a webhook that listens on loopback."""
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if made.hold:
                made.silent.wait(PATIENCE_S)
            made.paths.append(self.path)
            made.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(made.status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/services/T0KEN-of-the-hook"
    yield made
    made.silent.set()
    server.shutdown()
    thread.join()
    server.server_close()


def secret_file(folder: Path, value: str) -> str:
    """Return the name of a secret in a 0600 file."""
    path = folder / "hook"
    path.write_text(value)
    path.chmod(0o600)
    return f"file:{path}"


def program(folder: Path, text: str = PROGRAM) -> tuple[str, Path]:
    """Return a program that keeps its stdin and environment in a file, and the file."""
    path, into = folder / "told.sh", folder / "told.jsonl"
    path.write_text(text.format(into=into))
    path.chmod(0o755)
    return str(path), into


# what is said


def test_a_waiting_boundary_says_how_to_go_on() -> None:
    """The payload names run, boundary, question, digest and the exact line that approves."""
    story = waiting_at_b2()
    asked = story.state.armed
    assert asked is not None
    made = notice(story.state, "B-2", evidence="/runs/x", details=False)
    assert made["event"] == "boundary"
    assert made["ended"] is None
    assert made["boundary"]["digest"] == asked.digest
    assert made["boundary"]["approve"] == asked.approve_line
    assert made["text"].startswith(f"drydock {story.state.run} waits at B-2: ")


def test_the_end_says_the_verdict_and_no_word_of_the_servers() -> None:
    """Without details the reason, which can hold values of the copy, stays here; with them it goes along."""
    story = fail_at_s4()
    ended = story.state.ended
    assert ended is not None and ended.reason
    made = notice(story.state, "ended", evidence="/runs/x", details=False)
    assert made["ended"]["verdict"] == "FAIL"
    assert made["ended"]["failed_scenario"] == "S4"
    assert made["text"] == f"drydock {story.state.run}: FAIL at S4, CLEAN"
    assert ended.reason[:40] not in json.dumps(made)
    assert "reason" in notice(story.state, "ended", evidence="", details=True)["ended"]


def test_hostile_text_is_only_text() -> None:
    """Controls become glyphs, one line stays one line, and a chat's own marks are escaped in `text`."""
    story: Story = waiting_at_b2()
    asked = story.state.armed
    assert asked is not None
    state = msgspec.structs.replace(story.state, armed=msgspec.structs.replace(asked, question=HOSTILE))
    made = notice(state, "B-2", evidence="", details=False)
    everything = "".join(str(value) for value in (made["text"], *made["boundary"].values()))
    assert not set("\x1b\x07\u202e\n") & set(everything)
    assert "&lt;!channel&gt; &amp;" in made["text"]


# the webhook


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://hooks.example.org/x", ""), ("http://127.0.0.1:8080/x", ""), ("http://[::1]/x", ""),
        ("http://localhost/x", ""), ("http://hooks.example.org/x", "is not encrypted"),
        ("ftp://hooks.example.org", "is no https:// address"), ("hooks.example.org", "is no https:// address"),
        ("https://a:b@hooks.example.org", "has a user name in it"), ("https://x:99999/", "is no address"),
        ("https://", "is no https:// address"), ("https://[::1", "is no address"),
    ],
)  # fmt: skip
def test_what_is_a_webhooks_address(url: str, says: str) -> None:
    """Encrypted, or on this machine; without a user name; and the refusal never repeats the address."""
    refusal = webhook_refusal(url)
    assert refusal.startswith(says) if says else refusal == ""
    assert "example.org" not in refusal


def test_a_webhook_gets_the_payload(hook: Hook) -> None:
    """The whole payload arrives by POST at the whole path."""
    assert post(hook.url + "?thread=1", {"text": "x"}, timeout_s=10) == ""
    assert (hook.bodies, hook.paths) == ([{"text": "x"}], ["/services/T0KEN-of-the-hook?thread=1"])


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_answer_is_a_failure_and_no_redirect_is_followed(hook: Hook, status: int) -> None:
    """Everything but 2xx did not arrive."""
    hook.status = status
    assert post(hook.url, {}, timeout_s=10) == f"it answered {status}"


def test_a_silent_webhook_is_given_up(hook: Hook) -> None:
    """The time is for the whole of it."""
    hook.hold = True
    assert post(hook.url, {}, timeout_s=0.2) == "no answer in 0.2 s"


def test_nobody_there(hook: Hook) -> None:
    """A refused connection is a sentence without the address."""
    said = post("http://127.0.0.1:1/T0KEN", {}, timeout_s=10)
    assert said == "Connection refused"


def test_a_webhooks_secret_is_looked_at_beforehand(tmp_path: Path) -> None:
    """A missing entry, and an entry that holds no address, are refused without showing what it holds."""
    with pytest.raises(SecretUnavailable):
        require_webhook(f"file:{tmp_path / 'none'}")
    with pytest.raises(PlanError, match=r"holds is not encrypted") as refused:
        require_webhook(secret_file(tmp_path, "http://hooks.example.org/T0KEN"))
    assert "T0KEN" not in str(refused.value)


# the command


def test_a_command_gets_the_payload_and_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload is one line on stdin; no variable of ours goes along."""
    monkeypatch.setenv("PGPASSWORD", "not for it")
    path, into = program(tmp_path)
    assert run_command([path], {"text": "x"}, timeout_s=PATIENCE_S) == ""
    assert json.loads(into.read_text()) == {"text": "x"}
    names = {line.partition("=")[0] for line in Path(f"{into}.env").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "TZ", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("text", "timeout_s", "says"),
    [
        ("#!/bin/sh\nexit 3\n", PATIENCE_S, "it ended with exit code 3"),
        ("#!/bin/sh\nkill -9 $$\n", PATIENCE_S, "it ended with signal 9"),
        ("#!/bin/sh\nexec sleep 600\n", 0.2, "it did not end in 0.2 s"),
        ("#!/nonexistent\n", PATIENCE_S, "it cannot be run: No such file or directory"),
    ],
)
def test_a_command_that_fails_is_a_sentence(tmp_path: Path, text: str, timeout_s: float, says: str) -> None:
    """An exit code, a signal, the end of the time, and a program that is none."""
    path, _into = program(tmp_path, text)
    assert run_command([path], {}, timeout_s=timeout_s) == says


def test_a_command_is_looked_at_beforehand(tmp_path: Path) -> None:
    """A missing file and one that is not executable are refused before a run exists."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(PlanError, match="no program that can be run"):
            require_command([str(path)])


PROBLEMS = {
    'command = ["notify-send"]': "'notify-send' is not the absolute path of a program",
    'command = "/bin/true"': "command is a string, not a list of strings",
    'webhook_secret = "https://hooks.example.org/x"': "is no name of a secret",
    'webhook_secret = "prompt:x"': "is no name of a stored secret",
    'url = "https://x"': "must not hold a secret",
    "events = []": "events names nothing",
    'events = ["begun"]': "number 1 of events is 'begun', not",
    "timeout_s = 0.0": "timeout_s 0 is not between 0.1 and 300",
}


@pytest.mark.parametrize("line", PROBLEMS)
def test_a_wrong_section_names_its_line(tmp_path: Path, line: str) -> None:
    """Each problem of [notify] has the line and a remedy."""
    path = tmp_path / "plan.toml"
    path.write_text(f"[notify]\n{line}\n")
    [problem] = plan_problems(path)
    assert f"{path}, line 2: " in problem.what
    expected = PROBLEMS[line].replace("no name of a secret", "no name of a stored secret")
    assert expected in problem.what
    assert problem.remedy


# the process that tells


def order_of(folder: Path, notify: NotifyConfig) -> RunOrder:
    """Return an order with this [notify]."""
    return RunOrder(run=folder.name, config=RunConfig(notify=notify), state_folder=str(folder.parent))


def test_a_boundary_is_told_once_and_again_when_it_is_armed_again(tmp_path: Path) -> None:
    """Reading on without news tells nothing; the same boundary armed anew is told anew."""
    path, into = program(tmp_path)
    story = waiting_at_b2()
    writer = story.write(tmp_path, "20261121-034512-7f3a")
    folder = tmp_path / "20261121-034512-7f3a"
    notifier = Notifier(folder, order_of(folder, NotifyConfig(command=(path,))), lost_after_s=PATIENCE_S)
    assert (notifier.turn(), notifier.turn()) == (False, False)
    assert len(into.read_text().splitlines()) == 1
    asked = story.state.armed
    assert isinstance(asked, BoundaryArmed)
    writer.append(msgspec.structs.replace(armed("B-2"), digest="f" * 64), origin="engine")
    writer.close()
    notifier.turn()
    assert [json.loads(line)["boundary"]["digest"][:1] for line in into.read_text().splitlines()][1:] == ["f"]


def test_a_run_that_nobody_drives_any_more_is_told_as_lost(tmp_path: Path) -> None:
    """With engine and watchdog gone and no end in the journal, people are told to recover it."""
    path, into = program(tmp_path)
    waiting_at_b2().write(tmp_path, "20261121-034512-7f3a").close()
    folder = tmp_path / "20261121-034512-7f3a"
    config = NotifyConfig(command=(path,), events=("ended",))
    assert Notifier(folder, order_of(folder, config), lost_after_s=0.0).turn()
    [line] = into.read_text().splitlines()
    assert json.loads(line)["event"] == "lost"
    [kept_line] = kept(tmp_path / LOG_FILE, json.loads(line)["run"])
    assert kept_line.sentence == "lost: sent by command"


def test_the_log_survives_a_torn_line(tmp_path: Path) -> None:
    """What cannot be read is left out, other runs' lines are not shown, and the file is private."""
    log = tmp_path / LOG_FILE
    keep(log, told("a", "B-1", "webhook", "it answered 500\x1b"))
    with log.open("ab") as file:
        file.write(b'{"run": "a", "torn')
        file.write(b"\n")
    keep(log, told("b", "ended", "command", ""))
    assert [one.sentence for one in kept(log, "a")] == ["B-1: not sent by webhook: it answered 500␛"]
    assert log.stat().st_mode & 0o777 == 0o600
    assert kept(tmp_path / "none", "a") == []


# beside a real run


@dataclass(kw_only=True)
class Watched:
    """A run with a command that works and a webhook that does not."""

    ended: Ended
    payloads: list[dict[str, Any]]
    status: dict[str, Any]
    url: str


@pytest.fixture(scope="module")
def watched(drydock: Drydock) -> Watched:
    """Run the demo to its end: B-1 waits for an answer, and a notification is due there and at the end."""
    home = drydock.place("notify")
    home.mkdir()
    path, into = program(home)
    url = "http://127.0.0.1:1/services/T0KEN-of-the-hook"
    plan = home / "plan.toml"
    plan.write_text(f'[notify]\ncommand = ["{path}"]\nwebhook_secret = "{secret_file(home, url)}"\n')
    living: Living = drydock.start(str(plan), "--approve", "B-2,B-3,B-4,B-5")
    living.wait_until(lambda state: "notified.B-1.webhook" in state.notes, "the note about the notification")
    living.approve("B-1")
    ended = living.finish()
    arrived = threading.Event()
    runs = ("--runs-dir", str(living.runs), "--json")
    status: dict[str, Any] = {}
    for _ in range(int(PATIENCE_S / 0.1)):
        status = json.loads(drydock.command("status", living.folder.name, *runs).stdout)
        if len(status["notifications"]) == 4:
            break
        arrived.wait(0.1)
    return Watched(
        ended=ended,
        payloads=[json.loads(line) for line in into.read_text().splitlines()],
        status=status,
        url=url,
    )


def test_a_run_tells_and_is_not_harmed(watched: Watched) -> None:
    """The run passes CLEAN; the command was told of B-1 and of the end, in order."""
    assert watched.ended.outcome == (0, "PASS", "CLEAN", None)
    assert [one["event"] for one in watched.payloads] == ["boundary", "ended"]
    assert watched.payloads[0]["boundary"]["id"] == "B-1"
    assert watched.payloads[1]["ended"]["exit_code"] == 0


def test_what_could_not_be_sent_is_journaled_and_shown(watched: Watched) -> None:
    """The webhook's failure stands in the journal, in the narration and in the status; its address nowhere."""
    failed = "B-1: not sent by webhook: Connection refused"
    assert watched.ended.state.notes["notified.B-1.webhook"] == failed
    assert f"notification about {failed}" in watched.ended.said.stderr
    told_about = [(one["about"], one["by"], one["sent"]) for one in watched.status["notifications"]]
    assert told_about == [
        ("B-1", "command", True), ("B-1", "webhook", False), ("ended", "command", True), ("ended", "webhook", False),
    ]  # fmt: skip
    everything = watched.ended.said.stderr + json.dumps(watched.status) + json.dumps(watched.payloads)
    files = b"".join(path.read_bytes() for path in watched.ended.folder.rglob("*") if path.is_file())
    assert "T0KEN" not in everything
    assert b"T0KEN" not in files
