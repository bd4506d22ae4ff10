"""`drydock packs`: the shipped and the installed scenario packs; reads their files and never runs their code."""

from __future__ import annotations

import argparse

from console.cli.listing import print_json, print_pairs, print_text
from console.cli.options import add_json
from console.packs import LoadedPack, installed_packs, load_pack, pack_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Write each pack. Raises PackError for one that cannot be read."""
    loaded = [load_pack(folder) for folder in (*pack_folders(), *installed_packs().values())]
    if options.json:
        print_json([_as_json(one) for one in loaded])
        return 0
    for number, one in enumerate(loaded):
        if number:
            print_text("")
        print_pairs(_pairs(one))
    return 0


def known_bad(loaded: LoadedPack) -> list[str]:
    """Return the names of the planted defects that the pack ships, sorted."""
    return sorted(path.parent.name for path in loaded.folder.glob("known_bad/*/subject.toml"))


def _as_json(loaded: LoadedPack) -> dict[str, object]:
    pack = loaded.pack
    return {
        "id": pack.id,
        "title": pack.title,
        "folder": str(loaded.folder),
        "scenarios": [{"id": one.id, "kind": one.kind, "title": one.title} for one in pack.scenario],
        "tables": list(pack.tables),
        "baseline_rows": pack.baseline_total_rows,
        "subject": str(loaded.folder / pack.subject.folder),
        "package": pack.subject.package,
        "known_bad": known_bad(loaded),
    }


def _pairs(loaded: LoadedPack) -> list[tuple[str, str]]:
    pack = loaded.pack
    return [
        ("pack", pack.id),
        ("title", pack.title),
        ("scenarios", f"{len(pack.scenario)}: {' '.join(one.id for one in pack.scenario)}"),
        ("tables", f"{len(pack.tables)}: {' '.join(pack.tables)}"),
        ("subject", f"{pack.subject.package} in {loaded.folder / pack.subject.folder}"),
        ("known bad", " ".join(known_bad(loaded)) or "none"),
    ]
