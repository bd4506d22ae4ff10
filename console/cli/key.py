"""`drydock key show|make|trust`: the key that seals every run's evidence, and whose seals are believed.

The first run makes one by itself, in a 0600 file. The private half is never shown.
"""

from __future__ import annotations

import argparse
import sys

from console.cli.listing import print_json, print_pairs
from console.cli.options import add_json
from console.evidence.keys import KEY_FILE, load_key, make_key, public_of, public_pem, trust, trusted
from console.evidence.ledger import LEDGER_FILE
from console.settings import default_state_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    verbs = parser.add_subparsers(dest="verb", metavar="show|make|trust", required=True)
    add_json(verbs.add_parser("show", help="the public key, and where key and ledger are"))
    make = verbs.add_parser("make", help="make the key, where there is none yet")
    make.add_argument("--keyring", action="store_true", help="keep it in the keyring, not in a 0600 file")
    verbs.add_parser("trust", help="believe seals of another public key").add_argument("key", metavar="HEX")


def main(options: argparse.Namespace) -> int:
    """Do one verb. Raises SecretUnavailable in one sentence."""
    folder = default_state_folder().absolute()
    if options.verb == "make":
        public = make_key(folder, in_keyring=options.keyring)
        sys.stderr.write(f"made the sealing key {public}; keep this public half where the evidence is not\n")
        return 0
    if options.verb == "trust":
        trust(folder, options.key)
        sys.stderr.write(f"seals of {options.key} are believed from now on\n")
        return 0
    public = public_of(load_key(folder))
    told = {"key": public, "file": str(folder / KEY_FILE), "ledger": str(folder / LEDGER_FILE)}
    others = sorted(trusted(folder) - {public})
    if options.json:
        print_json({**told, "pem": public_pem(public).decode("ascii"), "believed": others})
    else:
        print_pairs([*told.items(), *(("believed", other) for other in others)])
    return 0
