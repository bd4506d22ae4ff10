"""One throwaway PostgreSQL cluster: its own folder, its own user, a Unix socket and no other way in.

Owns initdb, the start, the stop and the identity of a cluster. Never listens on TCP, never uses trust,
never puts a password into argv, an environment or a statement.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from console.environments.bulk import BULK_SETTINGS, BULK_VARIABLES, DURABILITY, LOADING
from console.environments.identity import give_identity
from console.environments.named_user import CANNOT, named_command, passwd_line
from console.environments.owner import initdb_uid, lend, make_folder, make_scattered_folder, take_folder
from console.environments.process import (
    Child,
    Finished,
    close_ended,
    end_process,
    ended_code,
    run_program,
    spawn,
)
from console.environments.programs import Programs, reachable_programs
from console.environments.template import ARGUMENTS, Template, find_template, keep_template
from console.environments.verifier import nobodys_verifier, replace_verifier
from console.errors import StepFailed
from console.model.protocols import NoReceipts, Receipts
from console.secrets import FEW_ITERATIONS, scram_verifier, write_secret_file
from console.settings import SOCKET_PATH_LIMIT_BYTES
from console.sql import EngineConnection, prepare

PORT = 5432
SUPERUSER = "postgres"
_READY_POLL_S = 0.005
_START_PATIENCE_S = 60.0
_STOP_PATIENCE_S = 20.0
_RESTART_PATIENCE_S = 600.0
_PLACES = 4

WITNESS_SETTINGS: Mapping[str, str] = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "log",
    "log_filename": "server.log",
    "log_file_mode": "0600",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_statement": "all",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_messages": "warning",
    "log_min_error_statement": "error",
    "log_line_prefix": "",
}
"""The server witness: every statement, no bound value, in a file that no role but a superuser can turn off."""

THROWAWAY_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",
    "password_encryption": "scram-sha-256",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "40",
    "wal_level": "logical",
    "max_wal_size": "4GB",
    "dynamic_shared_memory_type": "mmap",
}
"""No TCP; the socket's folder (0700) is the lock. Durability is off: the cluster is thrown away. Shared memory lies in
the data folder: what a server that was killed leaves in /dev/shm would outlive its run."""

_SCRAM = ("--auth=scram-sha-256", *ARGUMENTS[1:])
_ALONE: Mapping[str, str] = {
    "exit_on_error": "on",
    "log_statement": "none",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
}
"""A statement that fails ends the backend with an exit code, and its text (a verifier) is never in its words."""

_CONFIGURATION: Mapping[str, str] = {
    "pg_hba.conf": "local all all scram-sha-256\nlocal replication all scram-sha-256\n",
    "pg_ident.conf": "",
    "postgresql.auto.conf": "",
    "postgresql.conf": (
        "timezone = 'UTC'\nlog_timezone = 'UTC'\ndatestyle = 'iso, mdy'\n"
        "lc_messages = 'C'\nlc_monetary = 'C'\nlc_numeric = 'C'\nlc_time = 'C'\n"
        "default_text_search_config = 'pg_catalog.english'\n"
    ),
}
"""What the server reads beside its command line, each written anew: initdb's user may be anybody's."""


@dataclass(kw_only=True)
class Cluster:
    """A cluster below `folder` (made by `create`): data/, socket/ and PostgreSQL's programs where needed.

    `templates` is the folder in which a data folder is kept to be copied; None runs initdb every time. One that
    `loads` is durable only when DURABILITY was reset in it.
    """

    folder: Path
    programs: Programs
    uid: int | None
    label: str
    settings: Mapping[str, str] = field(default_factory=dict)
    receipts: Receipts = field(default_factory=NoReceipts)
    templates: Path | None = None
    loads: bool = False
    child: Child | None = None

    @property
    def data_folder(self) -> Path:
        """Return the data folder."""
        return self.folder / "data"

    @property
    def socket_folder(self) -> Path:
        """Return the folder of the server's socket."""
        return self.folder / "socket"

    @property
    def socket_path(self) -> Path:
        """Return the socket itself."""
        return self.socket_folder / f".s.PGSQL.{PORT}"

    @property
    def server_log(self) -> Path:
        """Return the jsonlog file."""
        return self.data_folder / "log" / "server.json"

    def create(self, superuser_password: str, *, kept: Callable[[Path], None] | None = None) -> None:
        """Make the folder and the data folder; the superuser's password reaches the server as a verifier.

        `kept` fills the data folder with what an earlier cluster's was when it had been stopped. Raises StepFailed
        (environment) with the words of the program that failed.
        """
        if len(str(self.socket_path)) > SOCKET_PATH_LIMIT_BYTES:
            raise StepFailed(
                f"the socket path {self.socket_path} is longer than {SOCKET_PATH_LIMIT_BYTES} bytes; "
                "name a shorter work folder with --work-dir",
                cause="environment",
            )
        self.receipts.opening("cluster", str(self.data_folder))
        self.receipts.opening("folder", str(self.folder))
        make_folder(self.folder)
        self.receipts.identified("folder", str(self.folder), folder_identity(self.folder))
        installed = self.programs
        self.programs = reachable_programs(installed, uid=self.uid, folder=self.folder)
        verifier = scram_verifier(superuser_password, iterations=FEW_ITERATIONS)
        if kept is not None:
            self._made_from_kept(kept, verifier)
        elif self.templates is None or not self._made_from_template(self.templates, installed, verifier):
            self._initdb([*_SCRAM, f"--pwfile={self.folder / 'verifier'}"], verifier)
            self._configure(loads=self.loads)
        self.receipts.identified("cluster", str(self.data_folder), read_system_identifier(self.data_folder))
        self._let_in(self.uid)
        make_folder(self.socket_folder, uid=self.uid)

    def _configure(self, *, loads: bool) -> None:
        texts = {**_CONFIGURATION, **({"postgresql.auto.conf": LOADING} if loads else {})}
        for name, text in texts.items():
            _write_anew(self.data_folder, name, text, self.uid)

    def _made_from_template(self, templates: Path, installed: Programs, verifier: str) -> bool:
        """Copy the template, or make it, and give the copy an identity and a password; False where that cannot be."""
        if (template := find_template(templates, installed)) is not None:
            self._lay_out(template)
        elif self._initdb([*ARGUMENTS, f"--pwfile={self.folder / 'verifier'}"], nobodys_verifier()):
            keep_template(templates, installed, self.data_folder, without=frozenset(_CONFIGURATION))
        give_identity(self.data_folder)
        self._configure(loads=self.loads)
        if replace_verifier(self.data_folder, verifier) or self._set_verifier(verifier):
            return True
        shutil.rmtree(self.data_folder)
        return False

    def _made_from_kept(self, fill: Callable[[Path], None], verifier: str) -> None:
        """Fill the data folder and give it its own identity, configuration and password; nothing is to be loaded."""
        make_scattered_folder(self.data_folder, uid=self.uid)
        fill(self.data_folder)
        give_identity(self.data_folder)
        self._configure(loads=False)
        if not (replace_verifier(self.data_folder, verifier) or self._set_verifier(verifier)):
            raise StepFailed(f"{self.label} gets no password: no user has a name here", cause="environment")

    def _lay_out(self, template: Template) -> None:
        """Lay the template out where files are quickly made, anywhere after a few tries."""
        for tries_left in reversed(range(_PLACES)):
            make_scattered_folder(self.data_folder)
            if template.lay_out(self.data_folder, uid=self.uid, anywhere=tries_left == 0):
                return
            shutil.rmtree(self.data_folder)

    def _initdb(self, words: list[str], verifier: str) -> bool:
        """Make the data folder as the cluster's own user; where that cannot be, as `nobody` (then False).

        The second way takes all from `nobody` afterwards and refuses what is not a plain file of initdb's,
        but a process that ran as `nobody` meanwhile could have changed a file's content. Of such files
        only the configuration is written anew.
        """
        by_itself = True
        if self.uid is None:
            done = self._run_initdb(words, verifier, uid=None)
        else:
            done = self._run_initdb(words, verifier, uid=self.uid, named=True)
            if done.returncode == CANNOT:
                by_itself = False
                done = self._run_initdb(words, verifier, uid=initdb_uid())
        if done.returncode:
            raise StepFailed(f"initdb of {self.label} failed: {done.stderr.strip()}", cause="environment")
        return by_itself

    def _run_initdb(
        self, words: list[str], verifier: str, *, uid: int | None, named: bool = False
    ) -> Finished:
        """Run initdb as `uid` in a folder that only root can rename in, and take what it made for the cluster."""
        argv = [self.programs.path("initdb"), "-D", str(self.data_folder), "-U", SUPERUSER, *words]
        write_secret_file(self.folder / "verifier", verifier + "\n", uid=uid)
        make_scattered_folder(self.data_folder, uid=uid)
        try:
            done = self._run(argv, name=f"initdb of {self.label}", uid=uid, named=named)
            self._let_in(self.uid)
            if done.returncode == CANNOT and named:
                self.data_folder.rmdir()
            elif self.uid is not None and uid is not None and done.returncode == 0:
                take_folder(self.data_folder, giver=uid, uid=self.uid)
        finally:
            (self.folder / "verifier").unlink()
        return done

    def _run(
        self, argv: list[str], *, name: str, uid: int | None, named: bool, stdin: bytes = b""
    ) -> Finished:
        """Run a program of PostgreSQL's as `uid`, who has a name where `named` asks for one, to its end."""
        names = self.folder / "passwd"
        try:
            if named and uid is not None:
                write_secret_file(names, passwd_line(uid))
                names.chmod(0o444)
                argv = named_command(uid, names, argv)
            self._let_in(uid)
            return run_program(
                argv, name=name, scratch=self.folder, uid=None if named else uid, receipts=self.receipts,
                stdin=stdin,
            )  # fmt: skip
        finally:
            names.unlink(missing_ok=True)

    def _set_verifier(self, verifier: str) -> bool:
        """Give the superuser its password in a stand-alone backend: nobody can connect to one, and it has no log.

        False where the backend's user can have no name, which it asks for.
        """
        parts = {"role": sql.Identifier(SUPERUSER), "verifier": sql.Literal(verifier)}
        statement = prepare("environment/set_verifier", parts).query.as_string(None)
        words = [f"-c{name}={value}" for name, value in {**THROWAWAY_SETTINGS, **_ALONE}.items()]
        argv = [self.programs.path("postgres"), "--single", "-D", str(self.data_folder), *words, "template1"]
        done = self._run(
            argv, name=f"stand-alone postgres of {self.label}", uid=self.uid, named=self.uid is not None,
            stdin=f"{statement}\n".encode(),
        )  # fmt: skip
        if done.returncode == CANNOT:
            return False
        if done.returncode:
            said = done.stderr.replace(verifier, "the verifier").strip()
            raise StepFailed(f"{self.label} cannot be given a password: {said}", cause="environment")
        return True

    def _let_in(self, uid: int | None) -> None:
        """Let one user pass the cluster's folder, in which only root can make, rename or remove."""
        if uid is not None:
            os.chown(self.folder, 0, uid)
            self.folder.chmod(0o710)
            programs = self.folder / "programs"
            if programs.exists() and programs.stat().st_gid != uid:
                lend(programs, uid)

    def start(self, *, bulk: bool = False) -> None:
        """Start the server and return when it accepts connections; `bulk` is for loading much before a restart.

        Raises StepFailed with the state it was found in and the server's last words.
        """
        options = {**THROWAWAY_SETTINGS, **self.settings, "unix_socket_directories": str(self.socket_folder)}
        if self.loads:
            options = {name: value for name, value in options.items() if name not in DURABILITY}
        if bulk:
            options |= BULK_SETTINGS
        argv = [self.programs.path("postgres"), "-D", str(self.data_folder)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        words = self.folder / "startup.log"
        with words.open("ab") as output:
            self.child = spawn(
                argv, name=f"postgres of {self.label}", uid=self.uid, cwd=str(self.folder),
                receipts=self.receipts, stdout=output, stderr=subprocess.STDOUT,
                environment=BULK_VARIABLES if bulk else None,
            )  # fmt: skip
        self._wait_until_ready(words)

    def _wait_until_ready(self, words: Path) -> None:
        assert self.child is not None
        began = time.monotonic()
        while not self._says_ready():
            ended = self.child.process.poll()
            waited_s = time.monotonic() - began
            if ended is not None or waited_s > _START_PATIENCE_S:
                state = f"ended with {ended}" if ended is not None else f"not ready after {waited_s:.0f} s"
                last = words.read_text("utf-8", "replace")[-2000:].strip()
                raise StepFailed(f"PostgreSQL of {self.label} {state}: {last}", cause="environment")
            time.sleep(_READY_POLL_S)

    def _says_ready(self) -> bool:
        lines = read_postmaster_file(self.data_folder)
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def stop(self, *, immediate: bool = True) -> None:
        """Stop the server: at once (the data is thrown away) or after a checkpoint."""
        if self.child is None:
            return
        ask = signal.SIGQUIT if immediate else signal.SIGINT
        if not end_process(self.child.identity, ask=ask, patience_s=_STOP_PATIENCE_S):
            raise StepFailed(f"PostgreSQL of {self.label} does not end", cause="environment")
        self.child.process.wait()
        self.child = None

    def restart(self) -> None:
        """Stop the server after a checkpoint and start it with its own settings; its receipt is another one then."""
        self.rest()
        self.start()

    def rest(self) -> None:
        """Stop the server after a checkpoint. Raises StepFailed when it does not end: none is started beside it."""
        child = self.child
        assert child is not None
        child.process.send_signal(signal.SIGINT)
        if ended_code(child.process, within_s=_RESTART_PATIENCE_S) is None:
            raise StepFailed(
                f"PostgreSQL of {self.label} did not end within {_RESTART_PATIENCE_S:.0f} s of being asked to",
                cause="environment",
            )
        close_ended(child)

    @contextmanager
    def connect(
        self, *, password: str, user: str = SUPERUSER, database: str = "postgres",
        socket_folder: Path | None = None, **options: Any,
    ) -> Iterator[EngineConnection]:  # fmt: skip
        """Open one autocommit connection through the socket (or a link of it) and close it at the end."""
        connection = EngineConnection.connect(
            host=str(socket_folder or self.socket_folder), port=PORT, user=user, password=password, dbname=database,
            sslmode="disable", autocommit=True, connect_timeout=10,
            application_name=options.pop("application_name", "drydock-engine"), **options,
        )  # fmt: skip
        try:
            yield connection
        finally:
            connection.close()


def _write_anew(folder: Path, name: str, text: str, uid: int | None) -> None:
    """Put a new file in a name's place: neither a link nor a descriptor of the old one reaches it."""
    path = folder / name
    path.unlink(missing_ok=True)
    write_secret_file(path, text, uid=uid)


def folder_identity(path: Path) -> str:
    """Return "device:inode" of a folder or file, which a later object of the same name lacks."""
    found = os.lstat(path)
    return f"{found.st_dev}:{found.st_ino}"


def read_postmaster_file(data_folder: Path) -> list[str]:
    """Return the lines of postmaster.pid, empty when there is none (no server runs)."""
    try:
        return (data_folder / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def read_system_identifier(data_folder: Path) -> str:
    """Return the cluster's system_identifier from pg_control's first eight bytes."""
    with (data_folder / "global" / "pg_control").open("rb") as control:
        return str(int.from_bytes(control.read(8), "little"))
