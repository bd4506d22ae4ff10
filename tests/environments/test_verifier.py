"""A copied cluster's password, written into pg_authid: the server takes it, and nothing else of the page changed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_places import place_for_clusters
from fix_uids import own_uid

from console.environments import cluster as module
from console.environments.cluster import Cluster
from console.environments.process import CLEAN_ENVIRONMENT
from console.environments.programs import find_programs
from console.environments.verifier import AUTHID, nobodys_verifier, page_checksum, replace_verifier
from console.secrets import make_password, scram_verifier


@pytest.fixture(scope="module", params=[16, 18])
def stopped(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster made from a template that was never started."""
    folder = Path(tempfile.mkdtemp(prefix="ddv-", dir=place_for_clusters()))
    folder.chmod(0o711)
    programs = find_programs(request.param)
    try:
        for name in ("first", "second"):
            cluster = Cluster(
                folder=folder / name, programs=programs, uid=own_uid(), label=name, templates=folder / "t"
            )
            cluster.create(make_password())
        yield cluster
    finally:
        shutil.rmtree(folder)


def authid(data: Path, folder: Path) -> Path:
    """Return a data folder with pg_authid of another one, to be damaged."""
    (folder / "global").mkdir(parents=True)
    shutil.copyfile(data / AUTHID, folder / AUTHID)
    return folder


def test_a_copy_gets_its_password_without_a_server(stopped: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-alone backend is started; or the server does not take the password, or takes another one."""
    monkeypatch.setattr(
        module.Cluster, "_set_verifier", lambda *_given: pytest.fail("a stand-alone backend was asked for")
    )
    templates = stopped.folder.parent / "t"
    cluster = Cluster(
        folder=stopped.folder.parent / "third", programs=stopped.programs, uid=own_uid(), label="third",
        templates=templates,
    )  # fmt: skip
    password = make_password()
    cluster.create(password)
    cluster.start()
    try:
        with cluster.connect(password=password) as connection:
            [(roles,)] = connection.execute(
                b"SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL"
            ).fetchall()
        assert roles == 1
        refused = pytest.raises(psycopg.OperationalError, match="password authentication failed")
        with refused, cluster.connect(password=make_password()):
            pass
    finally:
        cluster.stop()
    shutil.rmtree(cluster.folder)


def test_a_server_gives_it_where_it_cannot_be_written(
    stopped: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalogue of another shape leaves the cluster with a password that nobody knows."""
    monkeypatch.setattr(module, "replace_verifier", lambda *_given: False)
    cluster = Cluster(
        folder=stopped.folder.parent / "fourth", programs=stopped.programs, uid=own_uid(), label="fourth",
        templates=stopped.folder.parent / "t",
    )  # fmt: skip
    password = make_password()
    cluster.create(password)
    cluster.start()
    try:
        with cluster.connect(password=password) as connection:
            assert connection.execute(b"SELECT 1").fetchall() == [(1,)]
    finally:
        cluster.stop()
    shutil.rmtree(cluster.folder)


def test_the_page_is_whole_by_postgresqls_own_word(stopped: Cluster) -> None:
    """A page's checksum is not pg_checksum_page()'s: the server would refuse the catalogue."""
    content = (stopped.data_folder / AUTHID).read_bytes()
    stored = int.from_bytes(content[8:10], "little")
    enabled = stopped.programs.major >= 18  # initdb's default there
    assert bool(stored) == enabled
    assert not enabled or stored == page_checksum(content[:8192], 0)
    words = [stopped.programs.path("pg_checksums"), "--check", "-D", str(stopped.data_folder)]
    done = subprocess.run(words, env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == enabled, done.stderr
    assert enabled or "data checksums are not enabled" in done.stderr


def test_only_the_verifier_and_the_checksum_change(stopped: Cluster, tmp_path: Path) -> None:
    """Something else of pg_authid is written."""
    data = authid(stopped.data_folder, tmp_path / "data")
    before, new = (data / AUTHID).read_bytes(), nobodys_verifier()
    assert replace_verifier(data, new)
    after = (data / AUTHID).read_bytes()
    at = after.index(new.encode())
    other = [n for n in range(len(before)) if before[n] != after[n] and not at <= n < at + len(new)]
    assert set(other) <= {8, 9}
    assert len(after) == len(before)


@pytest.mark.parametrize("how", ["none", "two", "torn", "larger pages", "longer", "no verifier"])
def test_what_is_not_as_expected_is_left_as_it_is(stopped: Cluster, tmp_path: Path, how: str) -> None:
    """A verifier is written into a page that is damaged, over one of several, or one that does not fit."""
    data = authid(stopped.data_folder, tmp_path / "data")
    path, new = data / AUTHID, nobodys_verifier()
    content = path.read_bytes()
    at = content.index(b"SCRAM-SHA-256$16:")
    if how == "none":
        path.write_bytes(content.replace(b"SCRAM-SHA-256$16:", b"SCRAM-SHA-256$17:"))
    elif how == "two":
        path.write_bytes(content[:2000] + new.encode() + content[2000 + len(new) :])
    elif how == "torn":
        path.write_bytes(content[: len(content) - 100])
    elif how == "larger pages":
        path.write_bytes(content[:18] + (16384 | 4).to_bytes(2, "little") + content[20:])
    elif how == "longer":
        new = scram_verifier(make_password())
    else:
        new = "x" * len(new)
    left = path.read_bytes()
    assert at > 0
    assert not replace_verifier(data, new)
    assert path.read_bytes() == left


def test_a_page_whose_checksum_is_wrong_is_not_made_right(stopped: Cluster, tmp_path: Path) -> None:
    """Damage of a page is hidden behind a new checksum."""
    data = authid(stopped.data_folder, tmp_path / "data")
    content = bytearray((data / AUTHID).read_bytes())
    if not content[8:10].strip(b"\0"):
        content[8:10] = b"\1\1"  # a page that says that it has one
    content[3000] ^= 1
    (data / AUTHID).write_bytes(content)
    assert not replace_verifier(data, nobodys_verifier())
    assert (data / AUTHID).read_bytes() == bytes(content)
