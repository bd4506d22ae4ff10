"""`drydock secret set|list|delete`: production's passwords in the keyring, by name.

A value comes from a prompt that does not echo, or from stdin; never from argv, and it is never shown.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from console.cli.options import add_json
from console.errors import SecretUnavailable
from console.secret_store import LONGEST_SECRET_BYTES, delete, names, require_name, store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    verbs = parser.add_subparsers(dest="verb", metavar="set|list|delete", required=True)
    for verb, words in (("set", "keep a value, read from a prompt or from stdin"), ("delete", "forget it")):
        below = verbs.add_parser(verb, help=words, description=words)
        below.add_argument("name", metavar="NAME")
        below.add_argument("value", nargs="*", help=argparse.SUPPRESS)
    add_json(verbs.add_parser("list", help="the names, one a line", description="the names, one a line"))


def main(options: argparse.Namespace) -> int:
    """Do one verb. Raises SecretUnavailable in one sentence."""
    if options.verb == "list":
        return _list(options)
    if options.value:
        raise SecretUnavailable(
            "a value never belongs on the command line, where every user can read it",
            remedy="give it at the prompt or on stdin, and change the password that was typed there",
        )
    if options.verb == "delete":
        delete(options.name)
        sys.stderr.write(f"{options.name} is deleted from the keyring\n")
        return 0
    require_name(options.name)
    store(options.name, _value(options.name))
    sys.stderr.write(f"{options.name} is in the keyring\n")
    return 0


def _list(options: argparse.Namespace) -> int:
    found = names()
    if options.json:
        from console.cli.listing import print_json

        print_json(found)
        return 0
    sys.stdout.write("".join(f"{name}\n" for name in found))
    return 0


def _value(name: str) -> str:
    if sys.stdin.isatty():
        try:
            return getpass.getpass(f"value of {name} (not shown): ")
        except EOFError as ended:
            raise SecretUnavailable("no value was given", remedy="type it, or give it on stdin") from ended
    given = sys.stdin.buffer.read(LONGEST_SECRET_BYTES + 2)
    try:
        return given.decode().removesuffix("\n")
    except UnicodeDecodeError as wrong:
        raise SecretUnavailable(
            "the value on stdin is not UTF-8 text", remedy="give one line of text"
        ) from wrong
