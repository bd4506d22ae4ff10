"""`drydock key show|make|trust`: the key that seals every run's evidence, and whose seals are believed.

The first run makes one by itself, in a 0600 file. The private half is never shown.
"""

from __future__ import annotations

import argparse
import sys

from console.cli.listing import print_json, print_pairs
from console.cli.options import add_json
from console.errors import UsageError
from console.evidence.keys import KEY_FILE, load_key, make_key, public_of, public_pem, trust, trusted
from console.evidence.ledger import LEDGER_FILE
from console.settings import default_state_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument(
        "verb", choices=("show", "make", "trust"), help="show the public key, make one, believe one"
    )
    parser.add_argument("public", metavar="HEX", nargs="?", help="with trust: the public key to believe")
    parser.add_argument(
        "--keyring", action="store_true", help="with make: keep it in the keyring, not in a file"
    )
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Do one verb. Raises UsageError in one sentence."""
    if (options.public is not None) != (options.verb == "trust"):
        raise UsageError("a public key belongs to trust, and to nothing else", remedy="drydock key trust HEX")
    folder = default_state_folder().absolute()
    if options.verb == "make":
        public = make_key(folder, in_keyring=options.keyring)
        sys.stderr.write(f"made the sealing key {public}; keep this public half where the evidence is not\n")
        return 0
    if options.verb == "trust":
        trust(folder, options.public)
        sys.stderr.write(f"seals of {options.public} are believed from now on\n")
        return 0
    public = public_of(load_key(folder))
    told = {"key": public, "file": str(folder / KEY_FILE), "ledger": str(folder / LEDGER_FILE)}
    others = sorted(trusted(folder) - {public})
    if options.json:
        print_json({**told, "pem": public_pem(public).decode("ascii"), "believed": others})
    else:
        print_pairs([*told.items(), *(("believed", other) for other in others)])
    return 0
