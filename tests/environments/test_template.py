"""Tests of the kept data folder: what is believed of it, and that a copy is a cluster of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from fix_places import place_for_clusters
from fix_uids import own_uid

from console.environments import cluster as module
from console.environments import template as template_module
from console.environments.cluster import Cluster, read_system_identifier
from console.environments.identity import crc32c, crc32c_offset, give_identity, new_identifier
from console.environments.named_user import CANNOT
from console.environments.owner import make_scattered_folder
from console.environments.process import CLEAN_ENVIRONMENT
from console.environments.programs import Programs, find_programs
from console.environments.template import find_template
from console.errors import StepFailed
from console.secrets import make_password

VERIFIER = re.compile(rb"SCRAM-SHA-256\$[^:]+:[^:]+:[A-Za-z0-9+/=]{44}")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="users are made up only under root: start as root")
CHANGED_BY_A_COPY = {
    "Database system identifier", "Mock authentication nonce", "pg_control last modified",
    "Latest checkpoint location", "Latest checkpoint's REDO location", "Time of latest checkpoint",
    "Latest checkpoint's REDO WAL file",
}  # fmt: skip
"""The identity, the nonce, and what a stand-alone backend's checkpoint moves, where one had to set the password."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that other users can pass, with a cache folder's place in it."""
    made = Path(tempfile.mkdtemp(prefix="ddt-", dir=place_for_clusters()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def made_cluster(folder: Path, name: str, programs: Programs) -> Cluster:
    """Return a cluster, made by the template in the folder's cache."""
    cluster = Cluster(
        folder=folder / name, programs=programs, uid=own_uid(), label=name, templates=folder / "cache"
    )
    cluster.create(make_password())
    return cluster


def control_of(cluster: Cluster) -> dict[str, str]:
    """Return what pg_controldata says of a data folder."""
    said = subprocess.run(
        [cluster.programs.path("pg_controldata"), str(cluster.data_folder)],
        env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return {
        name.strip(): value.strip()
        for name, _colon, value in (line.partition(":") for line in said.splitlines())
    }


def kept(folder: Path) -> Path:
    """Return the file of the template."""
    return folder / "cache" / "cluster-16.template"


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A folder with a template of PostgreSQL 16 that its tests copy before they change it."""
    made = Path(tempfile.mkdtemp(prefix="ddt-", dir=place_for_clusters()))
    made.chmod(0o711)
    made_cluster(made, "first", find_programs(16))
    yield made / "cache"
    shutil.rmtree(made)


@pytest.mark.parametrize("major", [16, 18])
def test_every_copy_is_a_cluster_of_its_own(folder: Path, major: int) -> None:
    """Template and copies have different identifiers and nonces, all else that pg_controldata says is initdb's."""
    clusters = [made_cluster(folder, name, find_programs(major)) for name in ("a", "b", "c")]
    said = [control_of(cluster) for cluster in clusters]
    for name in ("Database system identifier", "Mock authentication nonce"):
        assert len({one[name] for one in said}) == 3
    for other in said[1:]:
        assert {name for name in other if other[name] != said[0][name]} <= CHANGED_BY_A_COPY
    assert not any("WARNING" in name for one in said for name in one)


def test_a_copy_takes_its_own_password_alone(folder: Path) -> None:
    """The server's own identifier is the recorded one, its password opens it, and no other copy's does."""
    programs = find_programs(16)
    other, other_password = made_cluster(folder, "a", programs), make_password()
    cluster = Cluster(
        folder=folder / "b", programs=programs, uid=own_uid(), label="b", templates=folder / "cache"
    )
    password = make_password()
    cluster.create(password)
    cluster.start()
    try:
        with cluster.connect(password=password) as connection:
            [(found,)] = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchall()
        with (
            pytest.raises(psycopg.OperationalError, match="password authentication failed"),
            cluster.connect(password=other_password),
        ):
            raise AssertionError("never here")
    finally:
        cluster.stop()
    assert str(found) == read_system_identifier(cluster.data_folder)
    assert str(found) != read_system_identifier(other.data_folder)


def test_a_place_where_files_are_slow_is_left_for_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four places the last is taken however slow, whole, and nothing of the others is left."""
    usual = made_cluster(folder, "usual", find_programs(16))
    tried: list[Path] = []

    def trying(place: Path) -> None:
        make_scattered_folder(place)
        tried.append(place)

    monkeypatch.setattr(template_module, "_LONGEST_NS", -1)
    monkeypatch.setattr(module, "make_scattered_folder", trying)
    cluster = made_cluster(folder, "slow", find_programs(16))
    assert tried == [cluster.data_folder] * 4
    assert sorted(one.name for one in cluster.folder.iterdir()) == sorted(
        one.name for one in usual.folder.iterdir()
    )
    names, usual_names = (
        {str(one.relative_to(it.data_folder)) for one in (it.data_folder / "base").rglob("*")}
        for it in (cluster, usual)
    )
    assert (len(names) > 800, names) == (True, usual_names)
    monkeypatch.undo()
    assert find_template(folder / "cache", find_programs(16)) is not None


def test_the_templates_verifier_opens_no_copy(folder: Path, template: Path) -> None:
    """A copy keeps the template's verifier, two copies have the same, or somebody else can read the template."""
    content = (template / "cluster-16.template").read_bytes()
    kept_verifiers = set(VERIFIER.findall(content))
    shutil.copytree(template, folder / "cache")
    (folder / "cache").chmod(0o700)
    copies = [made_cluster(folder, name, find_programs(16)) for name in ("a", "b")]
    found = [VERIFIER.findall((one.data_folder / "global" / "1260").read_bytes()) for one in copies]
    assert [len(one) for one in found] == [1, 1]
    assert kept_verifiers
    assert not kept_verifiers & {*found[0], *found[1]}
    assert found[0] != found[1]
    assert (template / "cluster-16.template").stat().st_mode & 0o777 == 0o600
    assert template.stat().st_mode & 0o777 == 0o700


def test_the_template_is_found_for_its_programs_alone(template: Path, tmp_path: Path) -> None:
    """Programs of another folder, even of the same version, have no template there."""
    programs = find_programs(16)
    assert find_template(template, programs) is not None
    (tmp_path / "bin").mkdir()
    for name in ("initdb", "postgres"):
        shutil.copy(programs.path(name), tmp_path / "bin" / name)
    assert find_template(template, replace(programs, root=tmp_path)) is None


@pytest.mark.parametrize("at", [0, 20, 60, 5_000_000, -1])
def test_an_altered_template_is_not_used(template: Path, tmp_path: Path, at: int) -> None:
    """One changed byte anywhere, and the file is not believed."""
    cache = Path(shutil.copytree(template, tmp_path / "cache"))
    file = cache / "cluster-16.template"
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    assert find_template(cache, find_programs(16)) is None


def test_a_template_cut_short_is_not_used(template: Path, tmp_path: Path) -> None:
    """What a kill left of a file that was being written is not believed, whatever its name."""
    cache = Path(shutil.copytree(template, tmp_path / "cache"))
    file = cache / "cluster-16.template"
    os.truncate(file, file.stat().st_size // 2)
    assert find_template(cache, find_programs(16)) is None


@pytest.mark.parametrize("wrong", ["writable", "writable folder", "link", "folder is a link"])
def test_a_template_that_another_could_write_is_not_used(template: Path, tmp_path: Path, wrong: str) -> None:
    """A file or folder that others may write, or that is reached by a link, is not believed."""
    cache = Path(shutil.copytree(template, tmp_path / "cache"))
    file = cache / "cluster-16.template"
    if wrong == "writable":
        file.chmod(0o620)
    elif wrong == "writable folder":
        cache.chmod(0o777)
    elif wrong == "link":
        file.rename(cache / "other")
        file.symlink_to(cache / "other")
    else:
        cache.rename(tmp_path / "elsewhere")
        cache.symlink_to(tmp_path / "elsewhere")
    assert find_template(cache, find_programs(16)) is None


@as_root
def test_a_strangers_template_is_not_used(template: Path, tmp_path: Path) -> None:
    """Root believes no template that another user owns."""
    cache = Path(shutil.copytree(template, tmp_path / "cache"))
    os.chown(cache / "cluster-16.template", 1, 1)
    assert find_template(cache, find_programs(16)) is None


def test_a_cache_that_cannot_be_written_costs_only_time(folder: Path) -> None:
    """Where nothing can be kept, each cluster is made by initdb and is as good."""
    (folder / "cache").write_text("in the way", "utf-8")
    clusters = [made_cluster(folder, name, find_programs(16)) for name in ("a", "b")]
    assert len({read_system_identifier(cluster.data_folder) for cluster in clusters}) == 2
    assert (folder / "cache").read_text("utf-8") == "in the way"


def test_two_at_once_keep_one_whole_template(folder: Path) -> None:
    """Clusters that are made at the same time in an empty cache are all sound, and so is what is kept."""
    programs = find_programs(16)
    with ThreadPoolExecutor(2) as pool:
        clusters = list(pool.map(lambda name: made_cluster(folder, name, programs), ("a", "b")))
    assert len({read_system_identifier(cluster.data_folder) for cluster in clusters}) == 2
    assert [path.name for path in (folder / "cache").iterdir()] == [kept(folder).name]
    assert find_template(folder / "cache", programs) is not None


@as_root
def test_without_a_namespace_initdb_makes_every_cluster(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where initdb must run as nobody, nothing is kept: a process of nobody's could have changed it."""
    monkeypatch.setattr(
        module, "named_command", lambda _uid, _names, _argv: ["/bin/sh", "-c", f"exit {CANNOT}"]
    )
    cluster, password = made_cluster(folder, "a", find_programs(16)), make_password()
    assert not (folder / "cache").exists()
    assert sorted(path.name for path in cluster.folder.iterdir() if path.name != "programs") == [
        "data",
        "socket",
    ]
    assert password not in (cluster.data_folder / "pg_hba.conf").read_text("utf-8")


def test_a_damaged_control_file_is_refused(folder: Path) -> None:
    """A data folder whose control file is not whole gets no identity."""
    cluster = made_cluster(folder, "a", find_programs(16))
    control = cluster.data_folder / "global" / "pg_control"
    content = bytearray(control.read_bytes())
    content[40] ^= 1
    control.write_bytes(content)
    with pytest.raises(StepFailed, match="its checksum stands nowhere in it"):
        give_identity(cluster.data_folder)


def test_another_clusters_wal_is_refused(folder: Path) -> None:
    """A WAL segment with another identifier than the control file's is not given a new one."""
    one, two = (made_cluster(folder, name, find_programs(16)) for name in ("a", "b"))
    [segment] = [path for path in (one.data_folder / "pg_wal").iterdir() if path.is_file()]
    shutil.copyfile(two.data_folder / "pg_wal" / segment.name, segment)
    with pytest.raises(StepFailed, match="is not of the cluster that it lies in"):
        give_identity(one.data_folder)


def test_the_checksum_is_postgresqls() -> None:
    """CRC-32C gives the check value of its definition (RFC 3720), and is found where it stands."""
    assert crc32c(b"123456789") == 0xE3069283
    body = bytes(range(256)) + bytes(32)
    assert crc32c_offset(body + crc32c(body).to_bytes(4, "little") + bytes(200)) == len(body)
    assert crc32c_offset(bytes(512)) is None
    assert [crc32c_offset(body[:length]) for length in (0, 201, 202, 203, 204)] == [None] * 5


def test_identifiers_follow_the_clock() -> None:
    """Two identifiers differ, and the later one is larger but for its last twelve bits."""
    first, second = new_identifier(), new_identifier()
    assert first != second
    assert second >> 12 >= first >> 12
