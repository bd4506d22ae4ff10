"""Certificates for an engine and its one client, made for a test by openssl, valid for a day."""

from __future__ import annotations

import subprocess
from pathlib import Path

_DAYS = "1"


def make_tls(folder: Path) -> Path:
    """Return a folder with ca.pem, and cert.pem and key.pem of a client; server-*.pem are the engine's."""
    folder.mkdir(mode=0o700)
    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"]
    _openssl(
        folder, *new, "-x509", "-days", _DAYS, "-subj", "/CN=tests", "-keyout", "ca-key.pem", "-out", "ca.pem"
    )
    for name, prefix, extension in (
        ("server", "server-", "subjectAltName=IP:127.0.0.1"), ("client", "", "extendedKeyUsage=clientAuth"),
    ):  # fmt: skip
        key = f"{prefix}key.pem"
        _openssl(folder, *new, "-subj", f"/CN={name}", "-keyout", key, "-out", f"{name}.csr")
        (folder / f"{name}.cnf").write_text(extension + "\n", encoding="utf-8")
        _openssl(
            folder, "x509", "-req", "-days", _DAYS, "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-extfile", f"{name}.cnf", "-out", f"{prefix}cert.pem",
        )  # fmt: skip
    return folder


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)
