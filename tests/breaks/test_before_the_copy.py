"""G-01 to G-07 broken for real: room, names, neighbours, secrets, the source as it is read, isolation."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from driver import Stage, Waiting
from expected import assert_fails, assert_gone
from props import git, plan_file, programs, source_of_ones_own


@pytest.mark.parametrize("size", ["120M", "500M"])
def test_work_folder_on_a_small_disk(scene: Stage, size: str) -> None:
    """A work folder with less than 5 GB free fails G-01, also where not even the demo's servers fit."""
    small = scene.root / "small"
    small.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "tmpfs", str(small)], check=True)
    scene.closing.callback(subprocess.run, ["umount", str(small)], check=True)
    ended = scene.drive("--work-dir", str(small), at={"B-1": lambda waiting: None})
    assert_fails(ended, "G-01", f"{small}/drydock-", "bytes free; the run needs 5,000,000,000")
    assert not list(small.iterdir())


def test_work_folder_exists_already(scene: Stage) -> None:
    """Somebody's folder under the exact name of the work folder fails G-02 by that name and is left alone."""
    taken: list[Path] = []

    def take(waiting: Waiting) -> None:
        waiting.work.mkdir()
        (waiting.work / "somebody's").write_text("work", "utf-8")
        taken.append(waiting.work)
        scene.closing.callback(waiting.work.rmdir)
        scene.closing.callback((waiting.work / "somebody's").unlink)

    ended = scene.drive(at={"B-1": take})
    assert_fails(ended, "G-02", f"folder {taken[0]} exists already")
    assert (taken[0] / "somebody's").read_text("utf-8") == "work"


def test_protected_cluster_is_missing(scene: Stage) -> None:
    """A protected data folder that is not there fails G-03 by its name."""
    missing = scene.root / "no-such-cluster"
    ended = scene.drive(plan_file(scene, f'[protect]\nclusters = ["{missing}"]\n'))
    assert_fails(ended, "G-03", f"protected {missing} was not found")


def test_runs_folder_behind_a_link(scene: Stage) -> None:
    """A runs folder that is reached through a link fails G-04 with the path that it really is."""
    link = scene.root / "link"
    link.symlink_to(scene.runs_folder)
    ended = scene.drive(runs_folder=link)
    real = scene.runs_folder / ended.folder.name / "secrets"
    assert_fails(ended, "G-04", f"is reached through a link and really is {real}")
    assert_gone(ended.folder / "secrets")


def test_secrets_file_in_a_git_index(scene: Stage) -> None:
    """A secrets file whose path a git index lists fails G-04 with the work tree."""

    def list_it(waiting: Waiting) -> None:
        git(scene.runs_folder, "init", "--quiet")
        blob = git(scene.runs_folder, "hash-object", "-w", "/dev/null")
        path = waiting.secrets_file.relative_to(scene.runs_folder)
        git(scene.runs_folder, "update-index", "--add", "--cacheinfo", f"100600,{blob},{path}")

    ended = scene.drive(at={"B-C-02": list_it})
    assert_fails(ended, "G-04", f"rehearsal.json is in the git index of {scene.runs_folder}")


def test_run_folder_is_open_to_others(scene: Stage) -> None:
    """A run folder that everybody may list fails G-04 with its mode."""
    ended = scene.drive(at={"B-C-02": lambda waiting: waiting.folder.chmod(0o755)})
    assert_fails(ended, "G-04", f"{ended.folder} has mode 0755, allowed is 0700")


def test_pg_dump_fails(scene: Stage) -> None:
    """A pg_dump that ends with an error fails G-05 with its code and its words."""
    script = '"$REAL/pg_dump" "$@"; echo "disk of the client is full" >&2; exit 3'
    ended = scene.drive(*programs(scene, pg_dump=script))
    assert_fails(ended, "G-05", "pg_dump ended with 3: disk of the client is full")


def test_dump_is_staged_inside_the_source(scene: Stage) -> None:
    """Files that appear anywhere in the source's data folder while it is read fail G-05 by their paths."""
    script = (
        'for word; do case "$word" in --dbname=*) host="${word#*host=}"; host="${host%% *}";; esac; done\n'
        'echo staged | tee "$host/../data/staged.dump" > "$host/../data/base/staged.dump"\n'
        'exec "$REAL/pg_dump" "$@"'
    )
    ended = scene.drive(*programs(scene, pg_dump=script))
    inside = "was written inside the source"
    assert_fails(ended, "G-05", f"base/staged.dump {inside}; staged.dump {inside}")


def test_source_is_another_server(scene: Stage) -> None:
    """A configured system_identifier that is not the source's fails G-06 with both."""
    words = f'system_identifier = "7411111111111111111"\n{source_of_ones_own(scene)}'
    ended = scene.drive(plan_file(scene, f"[source]\n{words}"), rows=None)
    found = ended.state.facts["source.before"]["system_identifier"]
    expected = f"the source has system_identifier {found}, the plan expects 7411111111111111111"
    assert_fails(ended, "G-06", expected)


def test_copy_has_a_way_in(scene: Stage) -> None:
    """A copy that listens on TCP and whose socket folder others may enter fails G-07 with both."""
    deeds = 'chmod 0755 "${2%/data}/socket"; set -- "$@" -c listen_addresses=127.77.13.5'
    script = f'case "$*" in *"/copy/data"*) {deeds};; esac\nexec "$REAL/postgres" "$@"'
    ended = scene.drive(*programs(scene, postgres=script))
    assert_fails(
        ended, "G-07", "listen_addresses is 127.77.13.5, it must be empty",
        "the socket folder has mode 0755, allowed is 0700",
    )  # fmt: skip


@pytest.mark.matrix
def test_copy_is_opened_while_b4_waits(scene: Stage) -> None:
    """A socket folder that is opened to others after C-04 fails G-07 after B-4, before the first scenario."""

    def open_it(waiting: Waiting) -> None:
        (waiting.copy / "socket").chmod(0o755)

    ended = scene.drive(at={"B-4": open_it})
    says = "the socket folder has mode 0755, allowed is 0700 (looked at before the first scenario)"
    assert_fails(ended, "G-07", says, step="C-10")
    assert ended.state.scenarios == {}


@pytest.mark.matrix
def test_copy_is_opened_between_scenarios(scene: Stage) -> None:
    """A socket folder that is opened to others during the scenarios fails G-07 when the last has ended."""

    def open_it(waiting: Waiting) -> None:
        (waiting.copy / "socket").chmod(0o755)

    ended = scene.drive(at={"B-S5": open_it}, supervise="scenario")
    says = "the socket folder has mode 0755, allowed is 0700 (looked at after the last scenario)"
    assert_fails(ended, "G-07", says, step="C-10")
