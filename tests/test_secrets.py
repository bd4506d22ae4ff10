"""Tests of the registry of secrets: every form is found, nothing is left, and files are private."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import stat
import string
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid
from hypothesis import given
from hypothesis import strategies as st

from console.environments.cluster import Cluster
from console.environments.programs import find_programs
from console.secrets import (
    SecretRegistry,
    destroy_file,
    forms_of,
    learn_all,
    make_password,
    scram_verifier,
    write_secret_file,
)

VALUES = [
    "correct horse",
    "pass'word\"\\",
    "päßwörter",
    "~~~???>>>",
    "p%40ss w/rd+=",
    "\x01\x02tab\tand\nline",
]
values = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=24)


def knowing(**known: str) -> SecretRegistry:
    """Return a registry that knows some secrets."""
    registry = SecretRegistry()
    learn_all(registry, known.items())
    return registry


def disguises(value: str) -> dict[str, str]:
    """Return ways in which a program prints a value, each made by the standard library."""
    raw = value.encode()
    return {
        "plain": f"x{value}y",
        "json": json.dumps({"password": value}, ensure_ascii=False),
        "repr": repr({"password": value}),
        "hex": f"\\x{raw.hex()}",
        "HEX": raw.hex().upper(),
        "url": f"postgresql://u:{quote(value, safe='')}@h/d",
        "sql": "ALTER ROLE x PASSWORD '" + value.replace("'", "''") + "'",
        **{
            f"base64 at {before}": base64.b64encode(b"u" * before + raw + b"z" * after).decode()
            for before in range(7)
            for after in range(3)
        },
        **{
            f"base64url at {before}": base64.urlsafe_b64encode(b"u" * before + raw + b"?>").decode()
            for before in range(4)
        },
    }


@pytest.mark.parametrize("value", VALUES)
def test_every_form_is_found(value: str) -> None:
    """A secret is taken out of every way in which a program prints it, at every base64 offset."""
    for name, text in disguises(value).items():
        registry = knowing(source=value)
        assert "[redacted:source]" in registry.redact(text, origin="a tool"), name
        assert len(registry.take_redactions()) == 1, name


@given(values, st.binary(max_size=5), st.binary(max_size=5))
def test_base64_gives_nothing_away(value: str, before: bytes, after: bytes) -> None:
    """Whatever stands around a secret inside base64, what is determined by the secret alone is found."""
    coded = base64.b64encode(before + value.encode() + after).decode()
    assert knowing(source=value).redact(coded, origin="") != coded


def needles_of(**known: str) -> set[str]:
    """Return every form of every secret."""
    return {text for value in known.values() for text in forms_of(value).values()}


@given(
    st.dictionaries(st.text("abc[]:redacted", min_size=1, max_size=9), values, min_size=1, max_size=3),
    st.lists(st.text(max_size=9), max_size=6),
    st.randoms(use_true_random=False),
)
def test_redaction_never_leaves_a_needle(known: dict[str, str], around: list[str], chance: object) -> None:
    """Whatever secrets are called and whatever stands around them, no form of any is left in the text."""
    registry = knowing(**known)
    needles = sorted(needles_of(**known))
    text = "".join(part + needles[len(part) % len(needles)] for part in around)
    clean = registry.redact(text, origin="")
    assert not [needle for needle in needles if needle in clean]


@pytest.mark.parametrize("many_bytes", [0, 1 << 30], ids=["automaton", "one by one"])
@given(
    st.dictionaries(st.text("abc", min_size=1), values, min_size=1, max_size=3),
    st.lists(st.text(max_size=9), max_size=4),
    st.integers(min_value=0),
)
def test_a_secret_within_json_is_never_called_absent(
    many_bytes: int, known: dict[str, str], around: list[str], chance: int
) -> None:
    """Whatever stands around a form of a secret and however JSON writes it; without one, the text may be absent."""
    registry = knowing(**known)
    needles = sorted(needles_of(**known))
    texts = [*around, "".join(around) + needles[chance % len(needles)] + "".join(around)]
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr("console.secrets._MANY_BYTES", many_bytes)
        assert not registry.is_absent(msgspec.json.encode({"sql": texts}))
        assert registry.is_absent(b'{"n":1}')


def test_an_automaton_knows_what_was_learnt_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that comes later is sought, a long one too, and nothing is found where nothing is known."""
    monkeypatch.setattr("console.secrets._MANY_BYTES", 0)
    registry = SecretRegistry()
    assert registry.is_absent(b'"horse battery"')
    registry.learn("early", "horse battery")
    assert not registry.is_absent(b'"horse battery"')
    long = "".join(map(chr, range(0x4E00, 0x9A00)))
    registry.learn("long", long)
    assert not registry.is_absent(msgspec.json.encode(f"x{long}")) and registry.is_absent(b'"x"')


@given(
    st.lists(st.text("ab", min_size=8, max_size=10), min_size=1, max_size=3),
    st.text("ab[]:redcts", max_size=60),
)
def test_overlapping_secrets_leave_nothing(known: list[str], text: str) -> None:
    """Secrets that repeat, overlap or hold each other are all gone."""
    registry = SecretRegistry()
    for number, value in enumerate(known):
        registry.learn(f"s{number}", value)
    clean = registry.redact(text, origin="")
    assert not [value for value in known if value in clean]


@pytest.mark.parametrize(
    ("name", "value", "text", "expected"),
    [
        ("source", "correct horse", "a correct horse b", "a [redacted:source] b"),
        ("source", "correct horse", "correct horsecorrect horse", "[redacted:source][redacted:source]"),
        ("source", "redacted", "it is redacted", "it is ▒"),
        ("cutter_exec", "cutter_exec", "role cutter_exec", "role [redacted]"),
        ("source", "aaaaaaaa", "a" * 20, "[redacted:source]"),
        ("source", "correct horse", "nothing", "nothing"),
        ("source", "correct horse", "", ""),
    ],
)
def test_the_mark_names_the_secret_unless_that_would_spell_it(
    name: str, value: str, text: str, expected: str
) -> None:
    """The mark stands where the secret stood, and is shorter where it would hold the value itself."""
    registry = knowing(**{name: value})
    assert registry.redact(text, origin="o") == expected
    assert not any(value in one.secret for one in registry.take_redactions())


def test_each_redaction_is_remembered_once_with_its_place() -> None:
    """Positions count characters of the text as it came, and taking the redactions forgets them."""
    registry = knowing(one="first secret", two="second secret")
    registry.redact("second secret, first secret, " + b"first secret".hex(), origin="server log")
    found = [(one.secret, one.form, one.position, one.origin) for one in registry.take_redactions()]
    assert found == [
        ("two", "plain", 0, "server log"), ("one", "plain", 15, "server log"), ("one", "hex", 29, "server log"),
    ]  # fmt: skip
    assert registry.take_redactions() == []


def test_values_are_cleaned_to_their_leaves() -> None:
    """Keys and values at any depth are redacted, other leaves stay, and what is no JSON becomes it first."""
    registry = knowing(source="correct horse")
    clean = registry.redact_value(
        {"correct horse": [1, None, True, 1.5, ("correct horse",), b"correct horse"]}, origin=""
    )
    assert clean == {"[redacted:source]": [1, None, True, 1.5, ["[redacted:source]"], "[redacted:source]Q=="]}


def test_a_secret_learnt_again_is_still_known_by_its_old_value() -> None:
    """A changed password does not make the old one safe to print."""
    registry = knowing(source="first secret")
    registry.learn("source", "second secret")
    assert registry.redact("first secret second secret", origin="") == "[redacted:source] [redacted:source]"
    assert registry.value("source") == "second secret"
    assert registry.values() == {"source": "second secret"}


def test_a_short_secret_is_refused_without_its_value() -> None:
    """Seven characters cannot be searched for, and the refusal names only the secret's name."""
    with pytest.raises(ValueError, match="the secret source is shorter than 8 characters") as refused:
        SecretRegistry().learn("source", "1234567")
    assert "1234567" not in str(refused.value)


def test_who_holds_a_secret_is_told_by_name() -> None:
    """A text that holds a secret in any form names it, every other text names none."""
    registry = knowing(source="correct horse")
    assert registry.secret_in("/srv/correct horse/x") == "source"
    assert registry.secret_in(b"correct horse".hex()) == "source"
    assert registry.secret_in("/srv/x") is None


def test_passwords_are_long_and_never_twice_the_same() -> None:
    """A rehearsal's password holds 256 random bits in characters that need no quoting."""
    made = {make_password() for _number in range(50)}
    assert len(made) == 50
    assert all(
        len(one) >= 43 and set(one) <= set(string.ascii_letters + string.digits + "-_") for one in made
    )


def test_a_verifier_is_the_one_of_rfc_5803() -> None:
    """The server's two keys are those that SCRAM computes, and the salt differs each time."""
    said = scram_verifier("correct horse")
    kind, salted, keys = said.split("$")
    iterations, salt = salted.split(":")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    whole = hashlib.pbkdf2_hmac("sha256", b"correct horse", base64.b64decode(salt), int(iterations))
    client_key = hmac.new(whole, b"Client Key", "sha256").digest()
    assert (kind, iterations, len(base64.b64decode(salt))) == ("SCRAM-SHA-256", "4096", 16)
    assert stored == hashlib.sha256(client_key).digest()
    assert server == hmac.new(whole, b"Server Key", "sha256").digest()
    assert scram_verifier("correct horse") != said


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Cluster, str]]:
    """Yield a real PostgreSQL whose superuser's password reached it as a verifier."""
    folder = Path(tempfile.mkdtemp(prefix="dds-", dir=place_for_clusters()))
    folder.chmod(0o711)
    made = Cluster(
        folder=folder / "c",
        programs=find_programs(16),
        uid=own_uid(),
        templates=cache_for_tests(),
        label="the secrets' test",
    )
    password = make_password()
    try:
        made.create(password)
        made.start()
        yield made, password
    finally:
        made.stop()
        shutil.rmtree(folder)


def test_postgresql_takes_the_verifier_for_the_password(cluster: tuple[Cluster, str]) -> None:
    """A login with the password succeeds against our verifier, and with another one it is refused."""
    server, password = cluster
    role = make_password()
    with server.connect(password=password) as conn:
        conn.execute(f"CREATE ROLE writer LOGIN PASSWORD '{scram_verifier(role)}'".encode())
        stored = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'writer'").fetchone()
    assert stored is not None
    assert stored[0].startswith("SCRAM-SHA-256$4096:")
    with server.connect(password=role, user="writer") as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("writer",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"), \
            server.connect(password=role + "x", user="writer"):  # fmt: skip
        pass


def test_a_secret_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """The file is 0600 and holds exactly the content."""
    before = os.umask(0)
    try:
        write_secret_file(tmp_path / "s", "correct horse")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    assert (tmp_path / "s").read_text("utf-8") == "correct horse"


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder", "fifo"])
def test_a_secret_is_never_written_where_something_is(tmp_path: Path, kind: str) -> None:
    """An existing file, a link to anything and a folder are refused and stay as they were."""
    path, other = tmp_path / "s", tmp_path / "other"
    other.write_text("theirs", "utf-8")
    make: dict[str, Callable[[], object]] = {
        "file": lambda: path.write_text("theirs", "utf-8"),
        "link": lambda: path.symlink_to(other),
        "dangling link": lambda: path.symlink_to(tmp_path / "nowhere"),
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
    }
    make[kind]()
    with pytest.raises(FileExistsError):
        write_secret_file(path, "correct horse")
    assert other.read_text("utf-8") == "theirs"
    assert not (tmp_path / "nowhere").exists()


def test_a_secret_file_belongs_to_who_is_named(tmp_path: Path) -> None:
    """With a uid (another one where root can give a file away) the file is that user's and still 0600."""
    owner = 60999 if os.geteuid() == 0 else os.geteuid()
    write_secret_file(tmp_path / "s", "correct horse", uid=owner)
    found = (tmp_path / "s").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owner, 0o600)


@pytest.mark.parametrize("size_bytes", [0, 1, 4096, (1 << 20) + 17])
def test_destroying_overwrites_before_it_removes(tmp_path: Path, size_bytes: int) -> None:
    """Who still has the file open reads zeros only, and the name is gone."""
    path = tmp_path / "s"
    path.write_bytes(b"s" * size_bytes)
    with path.open("rb") as held:
        destroy_file(path)
        assert held.read() == b"\0" * size_bytes
    assert not path.exists()


def test_the_overwriting_reaches_the_disk_before_the_name_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zeros are synced while the file still has its name: otherwise nobody would ever write them."""
    path, real = tmp_path / "s", os.fsync
    synced: list[bytes] = []
    path.write_bytes(b"secret")

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", sync)
    destroy_file(path)
    assert synced == [b"\0" * 6]


def test_destroying_a_missing_file_is_done_already(tmp_path: Path) -> None:
    """A file that is not there is no error."""
    destroy_file(tmp_path / "nothing")


def test_destroying_follows_no_link_and_never_waits(tmp_path: Path) -> None:
    """A link's target stays as it was, and a pipe that nobody reads does not hold the teardown up."""
    other, link, pipe = tmp_path / "other", tmp_path / "link", tmp_path / "pipe"
    other.write_text("theirs", "utf-8")
    link.symlink_to(other)
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="symbolic links"):
        destroy_file(link)
    refused: list[OSError] = []

    def destroy() -> None:
        try:
            destroy_file(pipe)
        except OSError as wrong:
            refused.append(wrong)

    worker = threading.Thread(target=destroy, daemon=True)
    worker.start()
    worker.join(10)
    assert (len(refused), other.read_text("utf-8")) == (1, "theirs")
