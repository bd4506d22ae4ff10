"""What the copy's server is started with while it is loaded, and without before anything of the subject's runs in it.

Owns those settings and variables alone: who starts a server with them sees to it that they go (`engine/durability.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

DURABILITY = ("fsync", "full_page_writes")
"""Off while a copy is loaded, and the server's defaults again before anything of the subject's runs in it."""

LOADING = "".join(f"{name} = off\n" for name in DURABILITY)
"""What postgresql.auto.conf has until then: ALTER SYSTEM can take it out, which no command line allows."""

BULK_SETTINGS: Mapping[str, str] = {"wal_level": "minimal", "max_wal_senders": "0"}
"""While much is loaded: a table's rows need no WAL where they are loaded in the transaction that empties it."""

BULK_VARIABLES: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
"""While much is loaded: glibc keeps the memory in which an index was sorted for the next one (mallopt(3)). The kernel,
which has it back otherwise, empties each page anew: a quarter of its time. Other C libraries do not read them."""
