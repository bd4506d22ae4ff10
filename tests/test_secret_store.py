"""Secrets by name: where each is found, what is refused, and that nothing ever asks or shows a value."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import keyring.backend
import keyring.errors
import pytest

from console import secret_store
from console.cli.main import main
from console.errors import SecretUnavailable
from console.evidence.keys import load_key, public_of

VALUE = "correct-horse-battery"


class Kept(keyring.backend.KeyringBackend):
    """A keyring in memory, as a desktop's would be."""

    priority = 1
    entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """Return an entry."""
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep an entry."""
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Forget an entry."""
        del self.entries[service, username]


def make(kind: Callable[[], Kept]) -> Kept:
    """Return a backend (keyring's own initialiser is untyped)."""
    return kind()


class Locked(Kept):
    """A keyring that nobody unlocked."""

    def get_password(self, service: str, username: str) -> str | None:
        """Refuse."""
        raise keyring.errors.KeyringLocked("the collection is locked")


class Asking(Kept):
    """A keyring that asks on the terminal."""


Asking.__module__, Asking.__qualname__ = "keyrings.alt.file", "EncryptedKeyring"


def choose(monkeypatch: pytest.MonkeyPatch, backend: keyring.backend.KeyringBackend | None) -> None:
    """Let the operator's choice be `backend`."""
    monkeypatch.setattr("keyring.core.load_env", lambda: backend)
    monkeypatch.setattr("keyring.core.load_config", lambda: None)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """An empty keyring that the operator chose, and no credential of systemd's."""
    monkeypatch.setattr(Kept, "entries", {})
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    backend = make(Kept)
    choose(monkeypatch, backend)
    return backend


def refused(name: str) -> str:
    """Return the sentence and the remedy with which a name is refused."""
    with pytest.raises(SecretUnavailable) as wrong:
        secret_store.resolve(name)
    assert VALUE not in str(wrong.value)
    return str(wrong.value)


@pytest.mark.usefixtures("kept")
def test_what_was_stored_is_found_listed_and_forgotten() -> None:
    """An entry is not found by its name, or its name stays after it was deleted."""
    secret_store.store("prod", VALUE)
    secret_store.store("other.db", VALUE + "2")
    assert secret_store.resolve("prod") == VALUE
    assert secret_store.names() == ["other.db", "prod"]
    secret_store.delete("prod")
    assert secret_store.names() == ["other.db"]
    assert "the keyring has no secret prod; drydock secret set prod" in refused("prod")


def test_a_machine_without_a_keyring_is_told_what_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing keyring is an exception of some library's."""
    choose(monkeypatch, None)
    monkeypatch.setattr("keyring.backend.get_all_keyring", list)
    assert refused("prod").startswith("there is no keyring on this machine; name a 0600 file instead")


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("keyring.backends.null.Keyring", "keyring.backends.null.Keyring stores nothing"),
        ("keyring.backends.fail.Keyring", "keyring.backends.fail.Keyring stores nothing"),
        ("no.such.Keyring", "the chosen keyring backend cannot be used: ModuleNotFoundError"),
    ],
)
def test_a_backend_that_keeps_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, named: str, why: str
) -> None:
    """A secret is stored where nothing is kept, and nobody says so."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", named)
    with pytest.raises(SecretUnavailable, match="name a 0600 file instead") as wrong:
        secret_store.store("prod", VALUE)
    assert why in str(wrong.value)


def test_a_backend_that_asks_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring asks for its own password in the middle of a run."""
    choose(monkeypatch, make(Asking))
    assert "keyrings.alt.file.EncryptedKeyring asks for a password on the terminal" in refused("prod")


def test_a_locked_keyring_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked keyring is an exception of some library's."""
    choose(monkeypatch, make(Locked))
    assert refused("prod").startswith("the keyring refuses: KeyringLocked; unlock it, or")


def test_only_backends_that_ask_nothing_are_chosen_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that somebody happens to have installed is taken without the operator's word."""
    choose(monkeypatch, None)
    monkeypatch.setattr("keyring.backend.get_all_keyring", lambda: [make(Kept), make(Asking)])
    assert "there is no keyring on this machine" in refused("prod")


@pytest.mark.usefixtures("kept")
def test_a_systemd_credential_goes_before_the_keyring(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The keyring's entry is taken although systemd passed a credential of that name."""
    secret_store.store("prod", VALUE)
    (tmp_path / "prod").write_text("from-systemd-1\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret_store.resolve("prod") == "from-systemd-1"


def private_file(folder: Path, content: bytes = VALUE.encode() + b"\n") -> Path:
    """Return a 0600 file."""
    path = folder / "password"
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def test_a_private_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    """A newline at the end of the file becomes part of the password."""
    assert secret_store.resolve(f"file:{private_file(tmp_path)}") == VALUE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o700, 0o620])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """A file that is open to others is taken as a secret."""
    path = private_file(tmp_path)
    path.chmod(mode)
    assert f"has mode {mode:04o}, allowed is 0600" in refused(f"file:{path}")


def test_a_link_a_second_name_and_a_folder_are_refused(tmp_path: Path) -> None:
    """A link leads to another file than the one that was named."""
    path = private_file(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert "cannot be opened" in refused(f"file:{link}")
    os.link(path, tmp_path / "second")
    assert "has 2 hard links, allowed is 1" in refused(f"file:{path}")
    assert "is no regular file" in refused(f"file:{tmp_path}")
    assert "is not an absolute path" in refused("file:password")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away; run the tests as root")
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    """A file that another user can change is taken as a secret."""
    path = private_file(tmp_path)
    os.chown(path, 60999, 60999)
    assert f"belongs to uid 60999, the runner is uid {os.geteuid()}" in refused(f"file:{path}")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"short\n", "is shorter than 8 characters"),
        (b"", "is shorter than 8 characters"),
        (b"two lines\nof it\n", "has more than one line"),
        (b"with a \0 in it", "or a NUL"),
        (b"x" * 5000, "is longer than 4096 bytes"),
        (b"\xff" * 10, "is not UTF-8 text"),
    ],
)
def test_what_is_no_password_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """Something that no redaction could find, or no passfile could hold, is taken as a password."""
    assert why in refused(f"file:{private_file(tmp_path, content)}")


@pytest.mark.parametrize("name", ["", "../prod", "a b", ".names", "*", "a" * 64, "x/y"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """A name leads out of the place where secrets are."""
    assert "is no name of a secret" in refused(name)


@pytest.mark.usefixtures("kept")
def test_the_command_takes_the_value_from_stdin_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The command takes a value from its arguments, or shows one."""
    given = private_file(tmp_path)
    with given.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["secret", "set", "prod"]) == 0
    assert secret_store.resolve("prod") == VALUE
    assert main(["secret", "set", "prod", VALUE]) == 2
    assert main(["secret", "list"]) == 0
    assert main(["secret", "delete", "prod"]) == 0
    assert main(["secret", "delete", "prod"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "prod\n"
    assert VALUE not in shown.err
    assert "a value never belongs on the command line" in shown.err
    assert "the keyring has no secret prod" in shown.err


@pytest.mark.usefixtures("kept")
def test_a_sealing_key_in_the_keyring_is_in_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The private half lies in a file, seals with another key than was shown, or takes another folder's place."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "one"))
    assert main(["key", "make", "--keyring"]) == 0
    private = secret_store.resolve("drydock-seal-key")
    shown = capsys.readouterr()
    files = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(private in text for text in files)
    assert public_of(load_key(tmp_path / "one" / "drydock")) in shown.out + shown.err
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "two"))
    assert main(["key", "make", "--keyring"]) == 2
    assert secret_store.resolve("drydock-seal-key") == private
    assert not (tmp_path / "two" / "drydock" / "seal.key").exists()
    assert "of another state folder" in capsys.readouterr().err


@pytest.mark.usefixtures("kept")
def test_the_command_asks_without_echo_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the value is read in another way than by getpass."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: VALUE)
    assert main(["secret", "set", "prod"]) == 0
    assert secret_store.resolve("prod") == VALUE
