"""Tests of made-up users: who gets which number and for how long, whose files are whose, and what they leave."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fix_places import place_for_clusters

from console.environments import belongings, owner
from console.environments.belongings import FIRST_UID, LAST_UID
from console.environments.owner import (
    Lease,
    choose_uid,
    hold_uid,
    lease_two_uids,
    lease_uid,
    lend,
    making_files_of,
    remove_things,
    take_folder,
    things_of,
)
from console.errors import StepFailed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="users are made up only under root: start as root")

ANOTHER_DRYDOCK = """
import sys
from console.environments.owner import hold_uid
held = hold_uid(int(sys.argv[1]))
print(held is not None, flush=True)
sys.stdin.read()
"""
SQUATTER = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
held.bind("\\0drydock-uid-" + sys.argv[1])
print(True, flush=True)
sys.stdin.read()
"""


def _are_free(*uids: int) -> bool:
    """Tell whether nobody uses any of some numbers."""
    try:
        return all(choose_uid(frozenset(uids) - {uid}) == uid for uid in uids)
    except StepFailed:
        return False


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """A range of two numbers that nobody uses, above those that other runs of this machine take meanwhile."""
    above = list(range(LAST_UID + 1, LAST_UID + 800, 2))
    random.shuffle(above)
    for first in above:
        for module in (owner, belongings):
            monkeypatch.setattr(module, "FIRST_UID", first)
            monkeypatch.setattr(module, "LAST_UID", first + 1)
        if _are_free(first, first + 1):
            return first, first + 1
    pytest.fail("this machine has no two numbers free above those of made-up users")


def eventually(ask: Callable[[], int | None]) -> int | None:
    """Return the answer, asked again for a while: other tests take and give numbers meanwhile."""
    deadline = time.monotonic() + 5.0
    while True:
        try:
            return ask()
        except StepFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users can pass."""
    made = Path(tempfile.mkdtemp(prefix="ddo-", dir=place_for_clusters()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@contextmanager
def holder(code: str, uid: int, *, user: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a number's name until its input ends."""
    python = sys.executable if user is None else "/usr/bin/python3"
    with subprocess.Popen(
        [python, "-I", "-c", code, str(uid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=user,
        group=user, extra_groups=None if user is None else [], cwd="/",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process


def test_a_leased_uid_is_never_chosen(two: tuple[int, int]) -> None:
    """Of two numbers the second lease is the other one, and there is no third until one is given back."""
    first, second = lease_uid(), lease_uid()
    assert first is not None
    assert second is not None
    assert sorted((first.uid, second.uid)) == list(two)
    with pytest.raises(StepFailed, match=f"no free uid between {two[0]} and {two[1]}"):
        choose_uid()
    first.release()
    first.release()
    assert choose_uid() == first.uid
    second.release()


def test_two_uids_are_leased_with_one_look(two: tuple[int, int]) -> None:
    """Both are leased and differ; where a second one is lacking, or leased meanwhile, the first is given back."""
    leases = lease_two_uids()
    assert sorted(one.uid for one in leases if one is not None) == list(two)
    with pytest.raises(StepFailed, match="no free uid"):
        choose_uid()
    for one in leases:
        assert one is not None
        one.release()
    with holder(ANOTHER_DRYDOCK, two[0]), pytest.raises(StepFailed, match="no free uid"):
        lease_two_uids()
    assert eventually(lambda: {choose_uid() for _time in range(16)} == set(two))


def test_a_uid_that_was_taken_after_the_look_is_not_leased(
    two: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process binds between look and lease is passed over."""
    with holder(ANOTHER_DRYDOCK, two[0]), monkeypatch.context() as looking:
        looking.setattr(owner, "_leases", dict)
        with pytest.raises(StepFailed, match="no free uid"):
            lease_two_uids()
    assert eventually(lambda: {choose_uid() for _time in range(16)} == set(two))


def test_a_lease_ends_with_its_process(two: tuple[int, int]) -> None:
    """What another process leased is not chosen while it lives and is free after its kill -9; no file tells of it."""
    with holder(ANOTHER_DRYDOCK, two[0]) as process:
        assert {choose_uid() for _time in range(8)} == {two[1]}
        assert hold_uid(two[0]) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = hold_uid(two[0])
    assert isinstance(again, Lease)
    again.release()


def test_a_lease_is_inherited_by_nobody(two: tuple[int, int]) -> None:
    """A child that outlives the lease does not keep it."""
    lease = lease_uid(frozenset({two[1]}))
    assert lease is not None
    with subprocess.Popen(["/bin/sleep", "60"], close_fds=False) as child:
        lease.release()
        assert eventually(lambda: choose_uid(frozenset({two[1]}))) == two[0]
        child.kill()


def test_one_may_hold_what_one_holds(two: tuple[int, int]) -> None:
    """A process is not refused a number that it has leased itself."""
    lease = lease_uid(frozenset({two[1]}))
    again = hold_uid(two[0])
    assert lease is not None
    assert again is not None
    again.release()
    assert hold_uid(two[0]) is not None
    assert choose_uid() == two[1]
    lease.release()


def test_a_squatter_saves_nothing_of_its_own(two: tuple[int, int]) -> None:
    """Who is not root can sit on a name, even undumpable: it is not chosen, yet a dead run's rest may be ended."""
    with holder(SQUATTER, two[0], user=two[0]) as process:
        assert choose_uid() == two[1]
        assert hold_uid(two[0]) is not None
        process.kill()


def test_what_a_dead_run_left_keeps_its_number(two: tuple[int, int], place: Path) -> None:
    """A number that owns something in a run's folder, or whose group it is, is not chosen for another run."""
    data = place / "drydock-20260101-000000-abcd-12345678" / "copy" / "data"
    data.mkdir(parents=True)
    os.chown(data, two[0], -1)
    assert {choose_uid(below=place) for _time in range(8)} == {two[1]}
    os.chown(data.parent, -1, two[1])
    with pytest.raises(StepFailed, match="no free uid"):
        choose_uid(below=place)
    data.parent.parent.rename(place / "another-tool")
    assert choose_uid(below=place) in two


def test_what_lies_in_shared_places_keeps_its_number(two: tuple[int, int]) -> None:
    """A number that owns a file in /dev/shm is not chosen."""
    path = Path("/dev/shm", f"drydock-test-{os.getpid()}")
    path.touch()
    try:
        os.chown(path, two[0], two[0])
        assert {choose_uid() for _time in range(8)} == {two[1]}
    finally:
        path.unlink()


SCATTERER = """
import ctypes, os, sys
stamp, outside = sys.argv[1:]
libc = ctypes.CDLL(None)
open("/dev/shm/" + stamp, "w").close()
os.symlink(outside, "/tmp/" + stamp + "-link")
os.makedirs("/var/tmp/" + stamp + "/deep/er")
open("/var/tmp/" + stamp + "/deep/er/file", "w").close()
os.symlink("/etc", "/var/tmp/" + stamp + "/deep/etc")
print(libc.shmget(0, 64, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600))
"""


def test_what_a_user_scattered_is_found_and_removed(two: tuple[int, int], place: Path) -> None:
    """Files, folders and System V objects of one user are named exactly and removed, and nobody else's are."""
    uid, other = two
    stamp = f"drydock-test-{os.getpid()}"
    kept = place / "kept"
    kept.write_text("kept", "utf-8")
    said = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", SCATTERER, stamp, str(kept)], user=uid, group=uid, extra_groups=[], cwd="/",
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    shm, sem, msg = said.split()
    strangers = Path("/dev/shm", f"{stamp}-of-another")
    strangers.touch()
    os.chown(strangers, other, other)
    try:
        assert things_of([uid]) == sorted([
            f"file /dev/shm/{stamp}", f"file /tmp/{stamp}-link", f"folder /var/tmp/{stamp}",
            f"folder /var/tmp/{stamp}/deep", f"folder /var/tmp/{stamp}/deep/er",
            f"file /var/tmp/{stamp}/deep/er/file", f"file /var/tmp/{stamp}/deep/etc",
            f"shm {shm}", f"sem {sem}", f"msg {msg}",
        ])  # fmt: skip
        assert remove_things([uid]) == []
        assert things_of([uid]) == []
        assert things_of([other]) == [f"file {strangers}"]
    finally:
        strangers.unlink()
    assert kept.read_text("utf-8") == "kept"
    assert Path("/etc/passwd").exists()


def test_what_cannot_be_removed_is_said(two: tuple[int, int]) -> None:
    """A folder of the user's that holds somebody else's file stays, and is named."""
    folder = Path("/var/tmp", f"drydock-test-{os.getpid()}-mixed")
    folder.mkdir()
    (folder / "roots").touch()
    os.chown(folder, two[0], two[0])
    try:
        assert remove_things([two[0]]) == [f"folder {folder}"]
        assert (folder / "roots").exists()
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("uid", [0, 65534, FIRST_UID - 1, LAST_UID + 1])
def test_nothing_of_a_real_user_is_touched(uid: int) -> None:
    """A number outside Drydock's range is refused before anything is looked at."""
    with pytest.raises(ValueError, match=f"uid {uid} is not one that Drydock makes up"):
        things_of([uid])
    with pytest.raises(ValueError, match=f"uid {uid} is not one that Drydock makes up"):
        remove_things([FIRST_UID, uid])


def attempted(code: str, uid: int) -> str:
    """Return what a user's Python says of an attempt: "done" or the error's name."""
    tried = f"try:\n    {code}\nexcept OSError as wrong:\n    print(type(wrong).__name__)\nelse:\n    print('done')"
    return subprocess.run(
        ["/usr/bin/python3", "-I", "-c", tried], user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True,
        text=True, check=True,
    ).stdout.strip()  # fmt: skip


def test_what_is_lent_is_read_and_not_written(place: Path, two: tuple[int, int]) -> None:
    """The group reads and runs a lent tree and can neither write, open up, rename nor remove; others read nothing."""
    tree = place / "tree"
    (tree / "in").mkdir(parents=True)
    (tree / "in" / "file").write_text("text", "utf-8")
    (tree / "in" / "program").write_text("#!/bin/sh\necho ran\n", "utf-8")
    (tree / "in" / "program").chmod(0o755)
    (tree / "link").symlink_to("/etc/passwd")
    before = os.stat("/etc/passwd")
    lend(tree, two[0])
    assert (os.stat("/etc/passwd").st_mode, os.stat("/etc/passwd").st_gid) == (before.st_mode, before.st_gid)
    file = tree / "in" / "file"
    assert attempted(f"assert open('{file}').read() == 'text'", two[0]) == "done"
    assert attempted(f"import subprocess; subprocess.run(['{tree}/in/program'], stdout=-3)", two[0]) == "done"
    for code in (f"open('{file}', 'w')", f"import os; os.chmod('{file}', 0o666)", f"import os; os.unlink('{file}')",
                 f"import os; os.rename('{file}', '{tree}/x')", f"open('{tree}/new', 'w')"):  # fmt: skip
        assert attempted(code, two[0]) == "PermissionError"
    assert attempted(f"open('{file}')", two[1]) == "PermissionError"


def test_a_folder_is_taken_with_all_in_it(place: Path, two: tuple[int, int]) -> None:
    """All that one user made is the other's afterwards, and what a stranger put there stops it."""
    folder = place / "given"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "file").touch()
    for path in (folder, folder / "in", folder / "in" / "file"):
        os.chown(path, two[0], two[0])
    take_folder(folder, giver=two[0], uid=two[1])
    assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {two[1]}
    assert attempted(f"open('{folder}/in/file')", two[0]) == "PermissionError"
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(folder / "in" / "socket"))
    held.close()
    os.chown(folder / "in" / "socket", two[1], two[1])
    with pytest.raises(StepFailed, match="in/socket is not what was made there: it is no file of its own"):
        take_folder(folder, giver=two[1], uid=two[0])
    with pytest.raises(StepFailed, match="given is not what was made there: it is another user's"):
        take_folder(folder, giver=two[1], uid=two[0])


def test_files_are_made_as_their_owner_s_and_within_its_reach(tmp_path: Path) -> None:
    """In the block a file is the user's and root's folders are closed; after it, also after an error, all is root's."""
    theirs, closed = tmp_path / "theirs", tmp_path / "closed"
    for folder in (theirs, closed):
        folder.mkdir(mode=0o700)
    os.chown(theirs, FIRST_UID, FIRST_UID)
    within = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in (theirs, closed)]
    made = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with making_files_of(FIRST_UID):
            os.close(os.open("file", made, 0o600, dir_fd=within[0]))
        with pytest.raises(PermissionError), making_files_of(FIRST_UID):
            os.open("file", made, 0o600, dir_fd=within[1])
        with making_files_of(None):
            os.close(os.open("mine", made, 0o600, dir_fd=within[1]))
    finally:
        for descriptor in within:
            os.close(descriptor)
    found = (theirs / "file").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (FIRST_UID, FIRST_UID, 0o600)
    assert [one.stat().st_uid for one in closed.iterdir()] == [os.geteuid()]


def test_nobody_s_files_are_not_made_as_root_s(tmp_path: Path) -> None:
    """A user that the kernel does not take is refused before anything is made."""
    with pytest.raises(StepFailed, match="no file can be made as uid 4294967295"), making_files_of(2**32 - 1):
        (tmp_path / "file").touch()
    assert list(tmp_path.iterdir()) == []
