"""The table gate by environment: which test breaks the gate there, or why it cannot be broken there.

Run it: ``python -m tests.breaks.table > docs/breaks.md``. Owns the table and reads the tests' source;
never runs them.
"""

from __future__ import annotations

import ast
import functools
import sys
from dataclasses import dataclass
from pathlib import Path

from console.gates.kept_table import with_kept_rows
from console.gates.rewind_table import with_rewind_rows
from console.gates.sample_table import with_sample_gates
from console.gates.table import GATES
from console.model.config import RunConfig
from console.plans.dry_run import not_applicable

ENVIRONMENTS = ("embedded", "docker")
FOLDER = Path(__file__).parent
DOCUMENT = FOLDER.parents[1] / "docs" / "breaks.md"
EMBEDDED: dict[str, tuple[str, ...]] = {
    "G-01": ("test_before_the_copy.py::test_work_folder_on_a_small_disk",),
    "G-02": ("test_before_the_copy.py::test_work_folder_exists_already",),
    "G-03": ("test_before_the_copy.py::test_protected_cluster_is_missing",),
    "G-04": (
        "test_before_the_copy.py::test_runs_folder_behind_a_link",
        "test_before_the_copy.py::test_secrets_file_in_a_git_index",
        "test_before_the_copy.py::test_run_folder_is_open_to_others",
    ),
    "G-05": (
        "test_before_the_copy.py::test_pg_dump_fails",
        "test_before_the_copy.py::test_dump_is_staged_inside_the_source",
    ),
    "G-06": ("test_before_the_copy.py::test_source_is_another_server",),
    "G-07": (
        "test_before_the_copy.py::test_copy_has_a_way_in",
        "test_before_the_copy.py::test_copy_is_opened_while_b4_waits",
        "test_before_the_copy.py::test_copy_is_opened_between_scenarios",
    ),
    "G-08": (
        "test_copy.py::test_restore_is_not_whole",
        "test_copy.py::test_grant_to_a_role_that_the_pack_does_not_name",
        "test_copy.py::test_source_moves_under_a_dump_without_its_snapshot",
    ),
    "G-09": (
        "test_copy.py::test_privileges_drifted_at_the_source",
        "test_copy.py::test_privileges_drifted_in_the_copy",
    ),
    "G-10": (
        "test_copy.py::test_copy_is_made_from_production_files",
        "test_copy.py::test_production_answers_on_the_copys_socket",
    ),
    "G-11": ("test_copy.py::test_something_is_installed_beside_drydock",),
    "G-12": ("test_copy.py::test_neighbour_is_killed",),
    "G-13": (
        "test_copy.py::test_contents_changed_in_place",
        "test_copy.py::test_compiled_module_beside_the_source",
    ),
    "G-14": (
        "test_copy.py::test_schema_drifted_at_the_source",
        "test_copy.py::test_column_is_dropped_in_the_copy",
    ),
    "G-15": (
        "test_scenarios.py::test_somebody_writes_between_scenarios",
        "../packs/test_rewound_runs.py::test_a_row_that_is_written_late_is_not_rewound_away",
    ),
    "G-16": ("test_scenarios.py::test_no_scenario_makes_an_expected_row",),
    "G-17": ("test_scenarios.py::test_somebody_writes_during_a_replay",),
    "G-18": ("test_scenarios.py::test_somebody_grants_after_c06",),
    "G-19": ("test_scenarios.py::test_subject_leaves_the_sql_surface",),
    "G-20": (
        "test_scenarios.py::test_somebody_deletes_and_changes_the_catalogue",
        "test_scenarios.py::test_somebody_uses_the_subjects_role",
    ),
    "G-21": ("test_closing.py::test_source_restarts_during_the_scenarios",),
    "G-22": (
        "test_scenarios.py::test_subject_prints_its_password",
        "test_scenarios.py::test_subject_hides_its_password",
    ),
    "G-23": ("test_closing.py::test_secret_in_an_artefact",),
    "G-24": (
        "test_closing.py::test_neighbour_is_replaced_before_the_teardown",
        "test_closing.py::test_neighbour_restarts_before_the_teardown",
    ),
    "G-25": (
        "test_closing.py::test_source_is_replaced_before_the_teardown",
        "test_closing.py::test_source_is_stopped_before_the_teardown",
    ),
    "G-26": (
        "../sampling/test_sampled_copies.py::test_a_mask_that_leaves_values_as_they_are_fails",
        "../sampling/test_sampled_copies.py::test_what_was_not_made_by_the_source_fails",
        "../sampling/test_sampled_copies.py::test_a_dump_that_leaves_nothing_out_fails",
    ),
    "G-27": (
        "../packs/test_rewound_runs.py::test_a_connection_that_is_kept_open_fails",
        "../packs/test_rewound_runs.py::test_whoever_comes_while_the_copy_is_rewound_fails",
    ),
    "G-28": (
        "../packs/test_rewound_runs.py::test_a_subject_that_changes_the_template_fails",
        "../packs/test_rewound_runs.py::test_somebody_who_opens_the_template_fails",
    ),
    "G-31": ("../packs/test_template_content.py::test_a_change_that_no_time_tells_of_fails",),
    "G-29": ("../sources/test_reused_copy.py::test_nothing_is_kept_where_anybody_could_read_it",),
    "G-30": (
        "../sources/test_reused_copy.py::test_a_kept_copy_that_was_changed_is_not_rehearsed_on",
        "../sources/test_reused_copy.py::test_a_kept_copy_of_another_source_is_not_taken",
        "../sources/test_reused_copy.py::test_a_kept_copy_that_is_not_the_approved_one_any_more",
    ),
    "N-4": ("test_closing.py::test_secrets_file_is_not_destroyed",),
    "N-5": ("test_closing.py::test_subject_changes_during_the_run",),
    "N-6": ("test_closing.py::test_neighbour_restarts_before_the_teardown",),
    "N-7": ("test_closing.py::test_work_folder_is_not_removed",),
    "N-8": ("../sources/test_reused_copy.py::test_what_took_the_kept_copys_place_is_left_and_told",),
}
"""Gate to the tests in this folder that break it in a real run on embedded PostgreSQL."""

DOCKER: dict[str, tuple[str, ...]] = {
    "G-01": ("test_on_docker.py::test_work_folder_on_a_small_disk",),
    "G-02": ("../docker/test_gates.py::test_a_name_that_is_taken",),
    "G-03": ("test_on_docker.py::test_protected_container_is_missing",),
    "G-04": ("test_on_docker.py::test_runs_folder_behind_a_link",),
    "G-05": ("test_on_docker.py::test_dump_is_staged_inside_the_container",),
    "G-06": ("test_on_docker.py::test_source_is_another_server",),
    "G-07": (
        "../docker/test_gates.py::test_a_published_port",
        "../docker/test_gates.py::test_a_network_that_is_not_internal",
        "../docker/test_gates.py::test_a_second_network",
        "../docker/test_gates.py::test_ways_that_are_opened_at_b4",
        "../docker/test_gates.py::test_a_visit_at_b4",
        "../docker/test_gates.py::test_a_visit_between_scenarios",
        "../docker/test_gates.py::test_a_container_that_shares_the_copys_network",
    ),
    "G-08": ("test_on_docker.py::test_restore_is_not_whole",),
    "G-09": ("test_on_docker.py::test_privileges_drifted_in_the_copy",),
    "G-10": ("test_on_docker.py::test_production_answers_on_the_copys_socket",),
    "G-11": ("test_on_docker.py::test_something_is_installed_beside_drydock",),
    "G-12": ("../docker/test_gates.py::test_a_protected_container_restarted",),
    "G-13": ("../docker/test_gates.py::test_the_subject_changed_in_mid_run",),
    "G-14": ("test_on_docker.py::test_column_is_dropped_in_the_copy",),
    "G-15": ("test_on_docker.py::test_somebody_writes_between_scenarios",),
    "G-16": ("test_on_docker.py::test_no_scenario_makes_an_expected_row",),
    "G-17": ("test_on_docker.py::test_somebody_writes_during_a_replay",),
    "G-18": ("test_on_docker.py::test_somebody_grants_after_c06",),
    "G-19": ("test_on_docker.py::test_subject_leaves_the_sql_surface",),
    "G-20": ("test_on_docker.py::test_somebody_uses_the_subjects_role",),
    "G-21": ("../docker/test_gates.py::test_production_restarted",),
    "G-22": (
        "test_on_docker.py::test_subject_prints_its_password",
        "test_on_docker.py::test_subject_hides_its_password",
    ),
    "G-23": ("test_on_docker.py::test_secret_in_an_artefact",),
    "G-24": (
        "test_on_docker.py::test_protected_container_restarts_before_the_teardown",
        "../docker/test_gates.py::test_a_protected_volume_made_again",
    ),
    "G-25": ("test_on_docker.py::test_production_restarts_before_the_teardown",),
    "N-1": ("../docker/test_gates.py::test_objects_replaced_under_their_names",),
    "N-2": ("../docker/test_gates.py::test_objects_replaced_under_their_names",),
    "N-3": ("test_on_docker.py::test_a_strangers_container_on_the_network",),
    "N-4": ("test_on_docker.py::test_secrets_file_is_replaced",),
    "N-5": ("test_on_docker.py::test_subject_changes_during_the_run",),
    "N-6": ("test_on_docker.py::test_protected_container_restarts_before_the_teardown",),
    "N-7": ("test_on_docker.py::test_work_folder_is_moved_away",),
}
"""The same on docker; `tests/docker` is part of every test run, the rest of the full matrix."""


ELSEWHERE_ON_DOCKER = {
    "G-26": "the rows are taken, loaded and looked at by the same functions, which know no environment; "
    "`tests/docker/test_sampled.py` sees them pass there",
    "G-27": "the copy is made anew and looked at by the server's own statements, which know no environment; "
    "`tests/docker/test_rewound.py` sees it pass there",
    "G-31": "in a container the server itself reads the files (`tests/engine/test_rewound_database.py` sees a changed "
    "byte both ways); `tests/docker/test_rewound.py` sees it pass there",
    **dict.fromkeys(("G-29", "G-30", "N-8"), "no copy in a container is kept: the plan refuses it"),
    "G-28": "the server itself looks at the template's row and files, which knows no environment; "
    "`tests/docker/test_rewound.py` sees it pass there",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: the tests that break the gate, or the reason why there are none."""

    gate: str
    environment: str
    tests: tuple[str, ...] = ()
    reason: str = ""


def cells() -> list[Cell]:
    """Return one cell for every gate of the plan and every environment, in the plan's order."""
    never = not_applicable(RunConfig())
    found = []
    for gate in with_kept_rows(with_rewind_rows(with_sample_gates(GATES))):
        reason = f"NOT_APPLICABLE by declaration: {never[gate.id]}" if gate.id in never else ""
        tests = EMBEDDED.get(gate.id, ())
        found.append(Cell(gate=gate.id, environment="embedded", tests=tests, reason=reason))
        reason = ELSEWHERE_ON_DOCKER.get(gate.id, "")
        found.append(Cell(gate=gate.id, environment="docker", tests=DOCKER.get(gate.id, ()), reason=reason))
    return found


@functools.cache
def functions() -> dict[str, ast.FunctionDef]:
    """Return every test of this folder and of the others that break gates, by "file::name" as seen from here."""
    found: dict[str, ast.FunctionDef] = {}
    others = [
        path
        for name in ("docker", "sampling", "packs", "sources")
        for path in sorted(FOLDER.glob(f"../{name}/test_*.py"))
    ]
    for path in (*sorted(FOLDER.glob("test_*.py")), *others):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                place = path.name if path.parent == FOLDER else f"../{path.parent.name}/{path.name}"
                found[f"{place}::{node.name}"] = node
    return found


def document() -> str:
    """Return docs/breaks.md."""
    known = functions()
    lines = [
        "# Breaks",
        "",
        "Written by `python -m tests.breaks.table > docs/breaks.md`; do not edit.",
        "",
        "For every gate the tests that break the real thing while a real run waits and see the gate fail",
        "with its sentence, the run's verdict, cause, closure and exit code; or why it cannot be done.",
        "",
        "| gate | environment | broken by |",
        "|---|---|---|",
    ]
    for cell in cells():
        told = [f"`{_path(test)}`: {_sentence(known, test)}" for test in cell.tests]
        lines.append(f"| {cell.gate} | {cell.environment} | {'<br>'.join(told) or cell.reason} |")
    return "\n".join([*lines, "", *_LIMITS, ""])


def _path(test: str) -> str:
    return f"tests/breaks/{test}".replace("breaks/../", "")


def _sentence(known: dict[str, ast.FunctionDef], test: str) -> str:
    docstring = ast.get_docstring(known[test]) if test in known else None
    return " ".join((docstring or "no such test").split()).replace("|", "\\|")


_LIMITS = (
    "G-17 never fails alone: a negative scenario's matrix is all zeros, so G-15 fails and is named first.",
    "",
    "What no test here can make a gate see: a pg_dump that ignores the snapshot that it was told while the",
    "source stands still (its dump is the same; on a source that moves G-08 fails), a file staged in the",
    "source under a name that the server could have given it, a copy (not a move) of the secrets file, and a",
    "compiled file in a `__pycache__` of a site-packages, where every Python on the machine may write.",
)


if __name__ == "__main__":
    sys.stdout.write(document())
