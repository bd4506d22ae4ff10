"""Every command that a page names is run: here as it stands, or by the test that is named for it.

A command that only has its name is a mention and no command line, where the program would ask for more.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from fix_runs import Drydock, Ended
from pages import CHECKOUT, PAGES, command_lines

HERE: Mapping[str, int] = {
    "drydock --help": 0,
    "drydock check": 0,
    "drydock check --schema": 0,
    "drydock check --schema > plan.schema.json": 0,
    "drydock check PLAN.toml": 0,
    "drydock check wrong.toml": 2,
    "drydock compare RUN RUN": 0,
    "drydock compare RUN RUN --json": 0,
    "drydock completion fish": 0,
    "drydock doctor": 0,
    "drydock doctor PLAN.toml": 0,
    "drydock gates": 0,
    "drydock gates --plan proof": 0,
    "drydock kept": 0,
    "drydock key show": 0,
    "drydock key trust HEX": 0,
    "drydock packs": 0,
    "drydock recover": 0,
    "drydock recover RUN": 0,
    "drydock report RUN": 0,
    "drydock report RUN --format html": 0,
    "drydock report RUN --format json": 0,
    "drydock report RUN --format junit": 0,
    "drydock report RUN --format md": 0,
    "drydock run --help": 0,
    "drydock runs": 0,
    "drydock runs --prune-older-than 90": 0,
    "drydock scan PATH --secrets-from FILE": 1,
    "drydock status": 0,
    "drydock status RUN": 0,
    "drydock surface FILE": 1,
    "drydock verify": 0,
    "drydock verify /media/pack/20261121-071958-fc52 --key HEX --ledger ledger.jsonl": 0,
    "drydock verify RUN": 0,
}
"""The exit code of each. The scanned file holds a secret, and the judged one a DROP."""

ELSEWHERE: Mapping[str, str] = {
    "drydock abort RUN": "docs/test_readme.py::test_boundary_commands_answer_from_another_shell",
    "drydock approve RUN B-1 --digest DIGEST": "docs/test_readme.py::test_boundary_commands_answer_from_another_shell",
    "drydock approve RUN B-2 --digest D --typed NAME":
        "proof/test_proof_boundary.py::test_all_does_not_cover_it_and_only_the_name_answers",
    "drydock approve RUN B-5 --digest DIGEST --hold 30": "e2e/test_boundaries.py",
    "drydock attach RUN": "terminal/test_live.py::test_a_hangup_leaves_the_run_and_attach_returns",
    "drydock attach RUN --observe": "terminal/test_live.py::test_an_observer_has_no_answer",
    "drydock browse": "evidence/test_browse_terminal.py",
    "drydock browse RUN": "terminal/test_live.py::test_a_finished_fail_is_browsed",
    "drydock check first/plan.toml": "docs/test_tutorial.py::test_the_tutorial_is_what_happens",
    "drydock init DIR": "drafting/test_questions.py",
    "drydock init DIR --source connection --host db.example.org --database shop --role drydock_reader --secret "
    "drydock-reader --subject ~/shop --writer shop_app":
        "strangers/test_drafted_runs.py::test_a_drafted_rehearsal_passes",
    "drydock init DIR --source container --container postgres --database shop --role drydock_reader --subject ~/shop "
    "--writer shop_app --environment docker": "docker/test_drafting.py::test_a_container_is_drafted_from",
    "drydock init first --source demo --yes": "docs/test_tutorial.py::test_the_tutorial_is_what_happens",
    "drydock key make --keyring": "test_secret_store.py::test_a_sealing_key_in_the_keyring_is_in_no_file",
    "drydock run --headless": "docs/test_readme.py::test_boundary_commands_answer_from_another_shell",
    "drydock run --headless --approve all": "docs/test_readme.py::test_transcript_is_what_happens",
    "drydock run --headless --approve all --subject scenarios/cutter_dry_run/known_bad/find_leaves_transaction_open":
        "docs/test_readme.py::test_transcript_is_what_happens",
    "drydock run --headless --json": "e2e/test_boundaries.py",
    "drydock run --pack NAME|DIR": "packs/test_helpers_judged.py",
    "drydock run --plain": "terminal/test_plain_prompt.py::test_a_run_by_typed_codes",
    "drydock run --plan migration": "migrations/test_migration_runs.py",
    "drydock run --plan migration --headless --approve all": "migrations/test_migration_runs.py",
    "drydock run --plan proof": "terminal/test_typed_name.py::test_only_the_name_itself_opens_the_transaction",
    "drydock run --plan proof --headless --approve B-1,B-2=directus,B-3":
        "proof/test_proof_runs.py::test_the_demo_is_proven",
    "drydock run --subject my_pack/known_bad/NAME": "e2e/test_known_bad.py::test_defect_is_caught",
    "drydock run --subject scenarios/cutter_dry_run/known_bad/find_leaves_transaction_open":
        "terminal/test_live.py::test_the_failing_statement_is_shown_live",
    "drydock run PLAN.toml": "sources/test_connection_run.py",
    "drydock run PLAN.toml --plan migration --pack MYPACK --subject /srv/project": "migrations/test_migration_runs.py",
    "drydock kept remove NAME": "cli/test_kept_command.py::test_only_what_is_named_is_removed",
    "drydock run --reuse-copy": "sources/test_reused_copy.py::test_an_expired_copy_is_removed_and_a_new_one_taken",
    "drydock run PLAN.toml --reuse-copy":
        "sources/test_reused_copy.py::test_the_second_run_takes_what_the_first_one_kept",
    "drydock run PLAN.toml --rewind": "packs/test_rewound_runs.py::test_a_run_asks_for_what_its_pack_allows",
    "drydock run PLAN.toml --require-two": "terminal/test_second_user.py::test_a_second_user_must_approve",
    "drydock run first/plan.toml --headless --approve all":
        "docs/test_tutorial.py::test_the_tutorial_is_what_happens",
    "drydock run rehearsal.toml --headless --json --approve B-1,B-2,B-3,B-4,B-5 --runs-dir runs":
        "sources/test_connection_run.py",
    **{f"drydock secret {words}": "test_secret_store.py" for words in (
        "list", "set DOT_CUTTER_EXEC_DB_PASSWORD", "set DOT_CUTTER_VERIFY_DB_PASSWORD", "set drydock-reader",
        "set mask-key",
        "set proof-reader", "set rehearsal-reader", "set rehearsal-webhook",
    )},
}  # fmt: skip
"""Those that need a terminal, a keyring, an engine or a run of their own: the test that does what they say."""

MENTIONS = frozenset(
    f"drydock {name}"
    for name in ("approve", "attach", "compare", "init", "run", "scan", "surface", "key make")
)


def named() -> set[str]:
    """Return every command line of every page."""
    return {line for page in PAGES for line in command_lines(page)} - MENTIONS


def test_every_command_has_its_test() -> None:
    """A page names a command that nobody runs, or a table here holds one that no page names any more."""
    assert named() == {*HERE, *ELSEWHERE}


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_the_named_tests_exist(test: str) -> None:
    """A command is said to be run by a test that is gone."""
    file, _, name = test.partition("::")
    text = (CHECKOUT / "tests" / file).read_text("utf-8")
    assert f"def {name}(" in text if name else "def test_" in text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """A finished run, the files that the pages name, and what stands for the words in capitals."""

    drydock: Drydock
    words: Mapping[str, str]

    def run(self, line: str) -> tuple[int, str]:
        """Run a page's line with its words filled in; return its exit code and what it said."""
        words = [self.words.get(word, word) for word in shlex.split(line.partition(" > ")[0])[1:]]
        said = self.drydock.command(*words)
        return said.exit_code, said.stdout + said.stderr


@pytest.fixture(scope="module")
def setting(drydock: Drydock) -> Setting:
    """Make a run and the files."""
    ended: Ended = drydock.run()
    place = drydock.place("files")
    place.mkdir()
    texts = {
        "plan.toml": '[source]\nkind = "demo"\n', "wrong.toml": '[source]\nkind = "demo"\nhots = "h"\n',
        "secret": "prod=correct horse battery\n", "log": "password=correct horse battery\n",
        "statements.sql": "DROP TABLE t;\n",
    }  # fmt: skip
    for name, text in texts.items():
        (place / name).write_text(text, "utf-8")
        (place / name).chmod(0o600)
    key = drydock.command("key", "show", "--json")
    state = Path(drydock.root)
    words = {
        "RUN": ended.folder.name, "PLAN.toml": str(place / "plan.toml"), "wrong.toml": str(place / "wrong.toml"),
        "PATH": str(place / "log"), "HEX": json.loads(key.stdout)["key"],
        "/media/pack/20261121-071958-fc52": str(ended.folder),
        "ledger.jsonl": str(next(state.rglob("ledger.jsonl"))),
    }  # fmt: skip
    runs = str(ended.folder.parent)
    return Setting(drydock=dataclasses.replace(drydock, variables={"DRYDOCK_RUNS_DIR": runs}), words=words)


@pytest.mark.parametrize("line", sorted(HERE))
def test_a_command_does_what_its_page_says(line: str, setting: Setting) -> None:
    """A command of a page ends with another code than the page lets expect, says nothing, or fails with a traceback."""
    own = {
        "FILE": str(
            Path(setting.words["PATH"]).with_name("statements.sql" if "surface" in line else "secret")
        )
    }
    code, said = dataclasses.replace(setting, words={**setting.words, **own}).run(line)
    assert (line, code) == (line, HERE[line]), said
    assert said and "Traceback" not in said
