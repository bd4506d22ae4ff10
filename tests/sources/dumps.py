"""Dumps of the demo as pg_dump makes them, with the manifest beside them, and what a test changes in one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from productions import Production

from console.environments.process import CLEAN_ENVIRONMENT
from console.sources.manifest import manifest_path, write_manifest
from console.witness.catalogue import read_manifest


@dataclass(frozen=True, kw_only=True)
class Dump:
    """A dump file of the demo with its manifest; `changed` makes another one beside it."""

    path: Path

    def changed(self, name: str, content: bytes) -> Dump:
        """Write another dump with the same manifest."""
        path = self.path.with_name(name)
        path.write_bytes(content)
        manifest_path(path, "").write_bytes(manifest_path(self.path, "").read_bytes())
        return Dump(path=path)

    def with_text(self, name: str, *, before: str, text: bytes) -> Dump:
        """Write another dump with `text` as lines of its own in front of the first line that begins so."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        at = next(number for number, line in enumerate(lines) if line.startswith(before.encode()))
        return self.changed(name, b"".join([*lines[:at], text, b"\n", *lines[at:]]))

    def plan(self, *lines: str, accept: str = "true") -> Path:
        """Write a plan file that rehearses on this dump."""
        path = self.path.with_name(self.path.name + ".plan.toml")
        source = f'[source]\nkind = "dump_file"\npath = "{self.path}"\naccept_untrusted = {accept}\n'
        path.write_text(source + "\n".join(lines))
        return path


def take_dump(production: Production, folder: Path, *words: str, name: str = "demo.sql") -> Dump:
    """Dump production with its own pg_dump as superuser, and write the manifest beside the dump."""
    passfile = folder / "superuser.pass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:*:{production.superuser_password}\n")
    path = folder / name
    target = f"host={production.cluster.socket_folder} user=postgres dbname=directus passfile={passfile}"
    subprocess.run(
        [production.cluster.programs.path("pg_dump"), *words, f"--file={path}", f"--dbname={target}"],
        check=True, env=CLEAN_ENVIRONMENT,
    )  # fmt: skip
    with production.connect() as connection:
        write_manifest(manifest_path(path, ""), read_manifest(connection))
    return Dump(path=path)
