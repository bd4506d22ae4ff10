"""A stopped cluster's data folder kept and laid out again: whole, hashed, without what belongs to the one that was."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid

from console.environments.cluster import Cluster, read_system_identifier
from console.environments.keeping import Folders, LaidOut, Listing, changed, differences, resting
from console.environments.programs import find_programs
from console.errors import StepFailed
from console.model.protocols import NeverAborted
from console.secrets import make_password

ROWS = 20_000


@dataclass(kw_only=True)
class Keeping:
    """A cluster with some rows, and what was kept of it."""

    folder: Path
    cluster: Cluster
    password: str
    kept: Path
    listing: Listing

    def laid_out(self, name: str) -> tuple[Cluster, str, LaidOut]:
        """Start another cluster on the kept files; the caller stops it."""
        made: list[LaidOut] = []
        uid = own_uid()
        cluster = Cluster(
            folder=self.folder / name, programs=self.cluster.programs, uid=uid, label=name, loads=True,
        )  # fmt: skip
        password = make_password()
        cluster.create(
            password,
            kept=lambda data: made.append(Folders(NeverAborted()).laid_out(self.kept, data, uid=uid)),
        )
        cluster.start()
        return cluster, password, made[0]


@pytest.fixture(scope="module", params=[16, 18])
def keeping(request: pytest.FixtureRequest) -> Iterator[Keeping]:
    """One cluster of a major version, kept while it rested."""
    folder = Path(tempfile.mkdtemp(prefix="ddk-", dir=place_for_clusters()))
    folder.chmod(0o711)
    cluster = Cluster(
        folder=folder / "c", programs=find_programs(request.param), uid=own_uid(), label="first",
        templates=cache_for_tests(), loads=True,
    )  # fmt: skip
    password, kept = make_password(), folder / "kept"
    try:
        cluster.create(password)
        cluster.start(bulk=True)
        with cluster.connect(password=password) as connection:
            connection.execute(
                b"CREATE TABLE entry AS SELECT g, md5(g::text) AS word FROM generate_series(1, %d) AS g"
                % ROWS
            )
            connection.execute(b"CREATE INDEX entry_word ON entry (word)")
        cluster.restart()
        kept.mkdir(mode=0o700)
        with resting(cluster) as redo_segment:
            listing = Folders(NeverAborted()).kept(cluster.data_folder, kept, redo_segment=redo_segment)
        yield Keeping(folder=folder, cluster=cluster, password=password, kept=kept, listing=listing)
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def test_what_is_laid_out_is_what_was_kept_with_another_identity_and_password(keeping: Keeping) -> None:
    """Rows, an index or a file are others; or the new cluster is the old one, its password among it."""
    cluster, password, laid_out = keeping.laid_out("second")
    try:
        found = Folders(NeverAborted()).read(keeping.kept)
        assert differences(keeping.listing.files, found.files) == changed(keeping.kept, laid_out) == ()
        assert found.sha256 == keeping.listing.sha256
        assert (set(laid_out.files), laid_out.size_bytes) == (set(found.files), found.size_bytes)
        with cluster.connect(password=password) as connection:
            assert connection.execute(b"SELECT count(*), sum(g) FROM entry").fetchall() == [
                (ROWS, ROWS * (ROWS + 1) // 2)
            ]
            connection.execute(b"SET enable_seqscan = off")
            assert connection.execute(b"SELECT count(word) FROM entry WHERE word >= ''").fetchall() == [
                (ROWS,)
            ]
            settings = connection.execute(
                b"SELECT current_setting('fsync'), current_setting('full_page_writes')"
            )
            assert settings.fetchall() == [("on", "on")]
        others = {read_system_identifier(one) for one in (keeping.kept, keeping.cluster.data_folder)}
        assert len(others) == 1
        assert read_system_identifier(cluster.data_folder) not in others
        refused = pytest.raises(Exception, match="password authentication failed")
        with refused, cluster.connect(password=keeping.password):
            pass
    finally:
        cluster.stop()


def test_the_first_cluster_goes_on_as_before(keeping: Keeping) -> None:
    """Keeping a copy leaves the server stopped, or another one."""
    with keeping.cluster.connect(password=keeping.password) as connection:
        assert connection.execute(b"SELECT count(*) FROM entry").fetchall() == [(ROWS,)]


def test_nothing_of_the_server_that_was_is_kept(keeping: Keeping) -> None:
    """Configuration, logs, a postmaster's file, counted sessions or much WAL lie beside the rows."""
    names = set(keeping.listing.files)
    tops = {name.partition("/")[0] for name in names}
    assert {"base", "global", "pg_wal", "PG_VERSION"} <= tops
    assert not tops & {"log", "pg_stat", "pg_notify", "postmaster.pid", "postgresql.conf", "pg_hba.conf"}
    assert not [name for name in names if "auto.conf" in name or "pg_internal.init" in name]
    assert 1 <= len([name for name in names if name.startswith("pg_wal/0")]) <= 2
    modes = {path.lstat().st_mode & 0o077 for path in keeping.kept.rglob("*")}
    assert modes == {0}


@pytest.mark.parametrize("how", ["changed", "longer", "missing", "more"])
def test_a_file_that_is_not_the_kept_one_is_named(keeping: Keeping, tmp_path: Path, how: str) -> None:
    """One byte, a file too many or too few lies in the kept folder and nobody says so."""
    copy = tmp_path / "kept"
    shutil.copytree(keeping.kept, copy)
    name = next(iter(sorted(keeping.listing.files)))
    if how == "more":
        name = "base/stray"
        (copy / name).write_bytes(b"")
    elif how == "missing":
        (copy / name).unlink()
    else:
        content = (copy / name).read_bytes()
        changed = bytes([content[0] ^ 1]) + content[1:] if how == "changed" else content + b"x"
        (copy / name).write_bytes(changed)
    found = Folders(NeverAborted()).read(copy)
    [said] = differences(keeping.listing.files, found.files)
    assert said.startswith(name)
    assert found.sha256 != keeping.listing.sha256


def time_of_a_new_file(folder: Path) -> int:
    """Return when a file was made now, by the file system's clock in ns."""
    probe = folder / "probe"
    probe.write_bytes(b"")
    return probe.stat().st_ctime_ns


@pytest.mark.parametrize("how", ["written", "written back", "renamed", "replaced", "removed"])
def test_a_file_that_did_not_stay_the_same_is_named(tmp_path: Path, how: str) -> None:
    """Bytes that were others while they were copied, and the kept ones again when they are read, pass."""
    kept, into = tmp_path / "of a run" / "kept", tmp_path / "into"
    kept.mkdir(parents=True)
    into.mkdir()
    for name in ("one", "two"):
        (kept / name).write_bytes(b"x" * 9_000)
    laid_out = Folders(NeverAborted()).laid_out(kept, into, uid=None)
    assert changed(kept, laid_out) == ()
    one, before = kept / "one", (kept / "one").stat()
    while time_of_a_new_file(tmp_path) == before.st_ctime_ns:
        pass  # an older kernel's clock for files ticks every four milliseconds
    if how == "removed":
        one.unlink()
    elif how == "renamed":
        one.rename(kept / "three")
        (kept / "three").rename(one)
    elif how == "replaced":
        shutil.copy2(one, kept / "three")
        (kept / "three").rename(one)
    else:
        one.write_bytes(b"y" * 9_000)
        if how == "written back":
            one.write_bytes(b"x" * 9_000)
        os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
    *around, said = changed(kept, laid_out)
    assert said == "one was changed while it was copied"
    written = how.startswith("written")
    assert around == ([] if written else ["its data folder was changed while it was copied"])


def test_an_inode_that_gets_another_number_is_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CryFS numbers its files anew when the kernel has forgotten them: a kept copy that nobody touched is refused."""
    kept, into = tmp_path / "kept", tmp_path / "into"
    kept.mkdir()
    into.mkdir()
    (kept / "one").write_bytes(b"x")
    laid_out = Folders(NeverAborted()).laid_out(kept, into, uid=None)

    lstat = os.lstat

    def numbered_anew(path: str | Path) -> os.stat_result:
        found = lstat(path)
        mode, inode, *others = found
        times = {name: getattr(found, name) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
        return os.stat_result((mode, inode + 1, *others), times)

    monkeypatch.setattr(os, "lstat", numbered_anew)
    assert os.lstat(kept / "one").st_ino != lstat(kept / "one").st_ino
    assert changed(kept, laid_out) == ()


@pytest.mark.parametrize("what", ["kept", "kept/data", "kept/data/base"])
def test_a_folder_that_was_exchanged_while_it_was_copied_is_named(tmp_path: Path, what: str) -> None:
    """Another folder lies under a kept one's name while it is copied, and the kept one again when it is read."""
    for name in ("kept", "other"):
        (tmp_path / name / "data" / "base").mkdir(parents=True)
        (tmp_path / name / "data" / "base" / "1").write_bytes(name[:1].encode() * 9_000)
    data, into = tmp_path / "kept" / "data", tmp_path / "into"
    into.mkdir()
    before = max(path.stat().st_ctime_ns for path in (tmp_path / "kept", data, data / "base"))
    while time_of_a_new_file(tmp_path) == before:
        pass
    one, other, aside = tmp_path / what, tmp_path / what.replace("kept", "other"), tmp_path / "aside"

    class Exchanging:
        def raise_if_requested(self) -> None:
            """Exchange the folders right before the first piece is copied."""
            if not aside.exists():
                one.rename(aside)
                other.rename(one)

    laid_out = Folders(Exchanging(), at_once=1).laid_out(data, into, uid=None)
    assert (into / "base" / "1").read_bytes() == b"o" * 9_000
    one.rename(other)
    aside.rename(one)
    assert (data / "base" / "1").read_bytes() == b"k" * 9_000
    word = {"kept": "its folder", "kept/data": "its data folder", "kept/data/base": "base"}[what]
    assert f"{word} was changed while it was copied" in changed(data, laid_out)


@pytest.mark.parametrize("when", ["before it was copied", "while it was copied"])
def test_a_folder_that_came_and_went_is_named(tmp_path: Path, when: str) -> None:
    """A folder that was not kept is laid out, or one that was is not, and is the list's again when it is read."""
    kept, into = tmp_path / "of a run" / "data", tmp_path / "into"
    kept.mkdir(parents=True)
    into.mkdir()
    if when == "before it was copied":
        (kept / "stray").mkdir()
    laid_out = Folders(NeverAborted()).laid_out(kept, into, uid=None)
    while time_of_a_new_file(tmp_path) == kept.stat().st_ctime_ns:
        pass
    if when == "while it was copied":
        (kept / "stray").mkdir()
    (kept / "stray").rmdir()
    said = changed(kept, laid_out)
    assert "its data folder was changed while it was copied" in said
    assert ("stray was changed while it was copied" in said) is (when == "before it was copied")


def test_a_file_that_becomes_shorter_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a file that somebody cuts meanwhile is laid out as zeros, or waited for without end."""
    kept, into = tmp_path / "kept", tmp_path / "into"
    kept.mkdir()
    into.mkdir()
    (kept / "one").write_bytes(b"x" * 9_000)
    sendfile = os.sendfile

    def cuts_first(target: int, source: int, at: int, count: int) -> int:
        os.truncate(kept / "one", 5_000)
        return sendfile(target, source, at, count)

    monkeypatch.setattr(os, "sendfile", cuts_first)
    with pytest.raises(StepFailed, match=r"kept/one became shorter while it was copied"):
        Folders(NeverAborted()).laid_out(kept, into, uid=None)


def test_a_large_file_is_copied_and_hashed_in_pieces_as_if_by_one(tmp_path: Path) -> None:
    """Whoever takes several pieces at once mixes them up, or forgets the last one."""
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    into.mkdir()
    content = os.urandom((35 << 20) + 7)
    (source / "large").write_bytes(content)
    (source / "empty").write_bytes(b"")
    made = Folders(NeverAborted(), at_once=3).laid_out(source, into, uid=None)
    assert (into / "large").read_bytes() == content
    found = Folders(NeverAborted(), at_once=1).read(into)
    assert found == Folders(NeverAborted(), at_once=3).read(source)
    assert found.files["large"].size == len(content)
    assert made.size_bytes == found.size_bytes == len(content)


@pytest.mark.parametrize("said", [errno.EINVAL, errno.ENOSYS, errno.EIO])
def test_what_the_kernel_cannot_copy_is_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    """A file system without sendfile ends the run with an error of ours; or one that cannot read is tried again."""
    kept, into = tmp_path / "kept", tmp_path / "into"
    kept.mkdir()
    into.mkdir()
    content = os.urandom((17 << 20) + 7)
    (kept / "one").write_bytes(content)
    sendfile, begun = os.sendfile, set[int]()

    def stops(target: int, source: int, at: int, count: int) -> int:
        """Copy a piece's first bytes, and then say that it cannot be done."""
        if at in (0, 16 << 20):
            begun.add(at)
            return sendfile(target, source, at, 3)
        raise OSError(said, os.strerror(said))

    monkeypatch.setattr(os, "sendfile", stops)
    if said == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            Folders(NeverAborted()).laid_out(kept, into, uid=None)
        return
    Folders(NeverAborted()).laid_out(kept, into, uid=None)
    assert begun == {0, 16 << 20}
    assert (into / "one").read_bytes() == content


def test_a_link_is_not_kept(tmp_path: Path) -> None:
    """A tablespace's link leads what is kept out of the folder."""
    source = tmp_path / "source"
    (source / "pg_tblspc").mkdir(parents=True)
    (source / "pg_tblspc" / "16500").symlink_to(tmp_path)
    with pytest.raises(StepFailed, match=r"pg_tblspc/16500 is a link or no file: it is not kept"):
        Folders(NeverAborted()).kept(source, tmp_path / "kept", redo_segment="0" * 24)


@pytest.mark.parametrize("odd", [b"odd\xff", b"\xed\xa0\x80"])
def test_a_name_that_no_list_could_hold_is_refused(tmp_path: Path, odd: bytes) -> None:
    """A file that somebody put into a kept copy ends the run with an error of ours, not with its name."""
    kept, into = tmp_path / "kept", tmp_path / "into"
    (kept / "base").mkdir(parents=True)
    into.mkdir()
    (kept / "base" / os.fsdecode(odd)).write_bytes(b"x")
    said = re.escape(f"{kept}/base/{odd.decode('utf-8', 'backslashreplace')} has a name that is no UTF-8")
    with pytest.raises(StepFailed, match=said) as refused:
        Folders(NeverAborted()).laid_out(kept, into, uid=None)
    refused.value.reason.encode()
    assert not list(into.iterdir())
    with pytest.raises(StepFailed, match=said):
        Folders(NeverAborted()).read(kept)


def test_a_folder_that_has_something_already_is_not_written(tmp_path: Path) -> None:
    """A file that somebody put into the new data folder is written through, or kept."""
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    into.mkdir()
    (source / "PG_VERSION").write_text("16\n")
    (into / "PG_VERSION").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        Folders(NeverAborted()).laid_out(source, into, uid=None)
    assert not (tmp_path / "elsewhere").exists()


def test_a_server_whose_wal_is_gone_is_not_kept(keeping: Keeping, tmp_path: Path) -> None:
    """Files of a server that was not stopped in order are kept as if they were."""
    into = tmp_path / "kept"
    into.mkdir()
    with pytest.raises(StepFailed, match=r"the WAL segment F{24} of the last checkpoint is missing"):
        Folders(NeverAborted()).kept(keeping.kept, into, redo_segment="F" * 24)
