"""Tests of the harness's place: what the harness's user finds there, and what it can change of it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters

from console.engine.archive import build_harness
from console.environments.embedded import EmbeddedEnvironment, EmbeddedPlace
from console.environments.environment import SUPERUSER_SECRET
from console.environments.giving import lead_to
from console.environments.owner import choose_uid, make_folder
from console.environments.process import Finished, run_program
from console.environments.programs import find_programs
from console.model.protocols import NoReceipts
from console.packs import placed_sha256
from console.secrets import SecretRegistry, make_password

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="the harness has its own user only under root: start as root"
)

ATTEMPT = """
import os, sys
home = sys.argv[1]
try:
    exec(sys.argv[2])
except OSError as wrong:
    print(type(wrong).__name__)
else:
    print("done")
"""
IN_THE_WAY = ("PermissionError",)


@pytest.fixture(scope="module")
def environment() -> Iterator[EmbeddedEnvironment]:
    """A provisioned copy."""
    folder = Path(tempfile.mkdtemp(prefix="ddp-", dir=place_for_clusters()))
    folder.chmod(0o711)
    make_folder(folder / "w", mode=0o711)
    registry = SecretRegistry()
    registry.learn(SUPERUSER_SECRET, make_password())
    made = EmbeddedEnvironment(
        folder=folder / "w", programs=find_programs(16), registry=registry, receipts=NoReceipts()
    )
    try:
        made.provision()
        yield made
    finally:
        made.cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def place(environment: EmbeddedEnvironment) -> EmbeddedPlace:
    """The harness's place with a small pack and subject."""
    root = environment.cluster.folder.parent
    for name in ("pack", "subject"):
        (root / f"given-{name}" / "in").mkdir(parents=True)
        (root / f"given-{name}" / "in" / "code.py").write_text(f"# {name}\n", "utf-8")
    build_harness(root / "given.pyz")
    return environment.make_harness_place(
        archive=root / "given.pyz", pack=root / "given-pack", subject=root / "given-subject",
        socket=environment.cluster.socket_path,
    )  # fmt: skip


def run_python(
    environment: EmbeddedEnvironment, place: EmbeddedPlace, uid: int | None, *words: str
) -> Finished:
    """Run Python as a user, the way the harness is run."""
    return run_program(
        [str(place.interpreter.python), "-I", "-B", *words], name="python", scratch=environment.cluster.folder.parent,
        uid=uid, environment=place.interpreter.environment,
    )  # fmt: skip


def attempted(environment: EmbeddedEnvironment, place: EmbeddedPlace, code: str) -> str:
    """Return "done" or the error's name when the harness's user tries something."""
    done = run_python(environment, place, environment.harness_uid, "-c", ATTEMPT, str(place.home), code)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@as_root
@pytest.mark.parametrize(
    "code",
    [
        "open(home + '/subject/in/code.py', 'w')",
        "os.chmod(home + '/subject/in/code.py', 0o600)",
        "os.chmod(home + '/subject/in', 0o700)",
        "os.chmod(home, 0o700)",
        "open(home + '/subject/in/sitecustomize.py', 'w')",
        "os.mkdir(home + '/subject/in/__pycache__')",
        "open(home + '/pack/in/code.py', 'a')",
        "os.unlink(home + '/pack/in/code.py')",
        "os.rename(home + '/pack', home + '/old-pack')",
        "os.rename(home + '/subject', home + '/trace/subject')",
        "open(home + '/harness.pyz', 'r+')",
        "os.unlink(home + '/harness.pyz')",
        "os.unlink(home + '/harness.log')",
        "os.symlink('/etc/shadow', home + '/harness.log.new')",
        "os.replace(home + '/scratch', home + '/harness.log')",
        "open(home + '/harness.log')",
        "os.rename(home + '/trace', home + '/old-trace')",
        "os.unlink(home + '/socket/.s.PGSQL.5432')",
        "open(home + '/socket/new', 'w')",
        "open(home + '/new', 'w')",
        "open(os.path.dirname(os.path.dirname(sys.executable)) + '/pyvenv.cfg', 'a')",
        "open(__import__('psycopg').__file__, 'a')",
        "os.chmod(__import__('psycopg').__file__, 0o600)",
        "open(os.path.dirname(__import__('psycopg').__file__) + '/new.py', 'w')",
        "os.unlink(sys.executable)",
        "os.listdir(home + '/../copy')",
    ],
)
def test_the_harness_cannot_change_what_was_put_in_place(
    environment: EmbeddedEnvironment, place: EmbeddedPlace, code: str
) -> None:
    """Neither program, pack, subject, log, socket nor any folder of them can be written, opened up or exchanged."""
    before = {name: placed_sha256(getattr(place, name)) for name in ("pack", "subject")}
    assert attempted(environment, place, code) in IN_THE_WAY
    assert {name: placed_sha256(getattr(place, name)) for name in ("pack", "subject")} == before


@pytest.mark.parametrize(
    "code",
    [
        "assert sorted(os.listdir(home + '/subject/in')) == ['code.py'] and open(home + '/subject/in/code.py').read()",
        "assert open(home + '/pack/in/code.py').read() == '# pack\\n'",
        "os.close(os.open(home + '/trace/client.jsonl', os.O_WRONLY | os.O_CREAT | os.O_EXCL))",
        "open(home + '/scratch/notes', 'w').write('x')",
        "s = __import__('socket').socket(1); s.connect(home + '/socket/.s.PGSQL.5432')",
        "assert set(os.listdir(home)) >= {'pack', 'subject', 'trace', 'scratch', 'harness.pyz'}",
    ],
)
def test_the_harness_can_do_its_work(
    environment: EmbeddedEnvironment, place: EmbeddedPlace, code: str
) -> None:
    """It reads and lists what it is given, creates its trace, writes in its scratch folder and reaches the server."""
    assert attempted(environment, place, code) == "done"


@as_root
def test_all_but_two_folders_is_roots(environment: EmbeddedEnvironment, place: EmbeddedPlace) -> None:
    """Only trace and scratch are the harness's; all else is root's, and no other user can pass the place."""
    own = {place.scratch, place.trace.parent}
    for path in (place.home, *place.home.rglob("*")):
        found = path.lstat()
        if path.is_relative_to(place.scratch) or path.is_relative_to(place.trace.parent):
            assert found.st_uid == environment.harness_uid
        elif path.parent != place.socket:
            assert found.st_uid == 0, path
    assert own <= set(place.home.iterdir())
    assert place.home.stat().st_mode & 0o777 == 0o750
    stranger = choose_uid(frozenset({environment.uid or 0, environment.harness_uid or 0}))
    done = run_program(
        ["/bin/ls", str(place.home)], name="ls", scratch=environment.cluster.folder.parent, uid=stranger
    )
    assert "Permission denied" in done.stderr


@as_root
def test_the_harness_works_in_its_scratch_folder(
    environment: EmbeddedEnvironment, place: EmbeddedPlace
) -> None:
    """The started harness stands in its scratch folder, and its words go to a log that only root can open."""
    harness = environment.start_harness(place, database="postgres")
    try:
        pid = harness.identity.split(":")[0]
        assert os.readlink(f"/proc/{pid}/cwd") == str(place.scratch)
        assert (place.log.stat().st_uid, place.log.stat().st_mode & 0o777) == (0, 0o600)
    finally:
        harness.end()


def test_the_two_users_are_leased(environment: EmbeddedEnvironment) -> None:
    """Copy and harness run as two users that nobody else is given while the environment is there."""
    if os.geteuid() != 0:
        assert (environment.uid, environment.harness_uid) == (None, None)
        return
    assert environment.uid != environment.harness_uid
    held = Path("/proc/net/unix").read_text("utf-8")
    for uid in (environment.uid, environment.harness_uid):
        assert f"@drydock-uid-{uid}\n" in held


def test_a_socket_on_another_file_system_is_led_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a socket cannot have a second name, as one in /run cannot, a link leads to it; another error is told."""
    errors = [errno.EXDEV, errno.EACCES]

    def refuse(_source: Path, _place: Path) -> None:
        raise OSError(errors.pop(0), "refused")

    monkeypatch.setattr(os, "link", refuse)
    lead_to(tmp_path / "real", tmp_path / "here")
    assert (tmp_path / "here").readlink() == tmp_path / "real"
    with pytest.raises(PermissionError):
        lead_to(tmp_path / "real", tmp_path / "there")
    assert not (tmp_path / "there").is_symlink()
