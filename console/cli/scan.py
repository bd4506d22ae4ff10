"""`drydock scan PATH.. --secrets-from FILE`: a search for secrets in every form; JSON findings, never a value.

Exit code 1 when something was found, could not be read, or was not searched because of a limit.
"""

from __future__ import annotations

import argparse
import os
import re
import stat
from pathlib import Path

import msgspec

from console.cli.listing import print_json
from console.errors import SecretUnavailable, UsageError
from console.evidence.scan import scan_files
from console.evidence.storage import open_regular
from console.secrets import SHORTEST_SECRET_CHARS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LARGEST_FILE_BYTES = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("path", metavar="PATH", nargs="+", type=Path, help="files and folders")
    what = "a 0600 file: NAME=VALUE a line, or one JSON object"
    parser.add_argument("--secrets-from", metavar="FILE", type=Path, required=True, help=what)


def main(options: argparse.Namespace) -> int:
    """Print one JSON object; 0 when everything was searched and nothing found, 1 otherwise."""
    secrets = secrets_from(options.secrets_from)
    files, passed_over = _files(options.path)
    found = scan_files(files, secrets, root=Path.cwd())
    print_json({
        "clean": not found.everything, "files": found.files, "bytes": found.bytes, "secrets": len(secrets),
        "findings": [
            {"file": one.file, "inside": one.inside, "at": one.at, "form": one.form, "secret": one.secret}
            if not one.trouble else {"file": one.file, "trouble": one.trouble}
            for one in found.found
        ],
        "limits": list(found.limits), "links_not_followed": passed_over,
    })  # fmt: skip
    return 1 if found.everything else 0


def _files(named: list[Path]) -> tuple[list[Path], list[str]]:
    """Return every file below what was named, links apart; a special file stays in, to be told."""
    files: list[Path] = []
    links: list[str] = []
    for path in named:
        if not os.path.lexists(path):
            raise UsageError(f"there is no {path}", remedy="name files and folders that are there")
        if not path.is_dir() or path.is_symlink():
            files.append(path.absolute())
            continue
        for root, folders, names in os.walk(path.absolute(), onerror=_refuse):
            for name in sorted([*names, *(one for one in folders if Path(root, one).is_symlink())]):
                one = Path(root, name)
                if one.is_symlink():
                    links.append(str(one))
                else:
                    files.append(one)
    return files, links


def _refuse(wrong: OSError) -> None:
    raise UsageError(
        f"{wrong.filename} cannot be read: {wrong.strerror}", remedy="ask as its owner"
    ) from wrong


def secrets_from(path: Path) -> dict[str, str]:
    """Return names and values of a secrets file. Raises SecretUnavailable, naming the line, never a value."""
    remedy = "write NAME=VALUE, one a line, into a file of yours with mode 0600"
    try:
        with open_regular(path) as file:
            found = os.fstat(file.fileno())
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as wrong:
        raise SecretUnavailable(f"{path} cannot be read: {wrong.strerror}", remedy=remedy) from wrong
    if stat.S_IMODE(found.st_mode) & 0o177 or found.st_uid != os.geteuid():
        raise SecretUnavailable(f"{path} is not private to you (mode 0600)", remedy=remedy)
    if len(content) > _LARGEST_FILE_BYTES:
        raise SecretUnavailable(f"{path} is larger than {_LARGEST_FILE_BYTES} bytes", remedy=remedy)
    secrets = _of_json(path, content) if content.lstrip().startswith(b"{") else _of_lines(path, content)
    for name, value in secrets.items():
        if len(value) < SHORTEST_SECRET_CHARS:
            what = f"the secret {name} in {path} is shorter than {SHORTEST_SECRET_CHARS} characters"
            raise SecretUnavailable(what, remedy="shorter ones cannot be told from chance hits")
    if not secrets:
        raise SecretUnavailable(f"{path} holds no secret", remedy=remedy)
    return secrets


def _of_json(path: Path, content: bytes) -> dict[str, str]:
    try:
        return msgspec.json.decode(content, type=dict[str, str])
    except msgspec.DecodeError:
        raise SecretUnavailable(f"{path} is no JSON object of strings", remedy="mend it") from None


def _of_lines(path: Path, content: bytes) -> dict[str, str]:
    secrets: dict[str, str] = {}
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{path} is not UTF-8 text", remedy="mend it") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.removesuffix("\r").partition("=")
        if not equals or _NAME.fullmatch(name) is None:
            raise SecretUnavailable(f"{path}, line {number} is not NAME=VALUE", remedy="mend the line")
        secrets[name] = value
    return secrets
