"""What is wrong with a configuration beyond its types: names, paths, and what each kind of source needs.

Pure: looks at values only, at no file and no server. A problem names its section and key, so that a plan
file's reader can say the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from console.kept import LONGEST_HOURS
from console.model.config import (
    EnvironmentConfig,
    MaskConfig,
    NotifyConfig,
    ProofConfig,
    RunConfig,
    SourceConfig,
)
from console.model.problem import Problem
from console.model.text import one_line
from console.plans.reasons import migration_problems
from console.plans.reusing import reuse_problems
from console.plans.sampling import sampling_problems

OBJECT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}")
"""What every container engine takes as a name (design section 10)."""

_ALL_HEX = re.compile(r"[0-9a-f]+")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LONGEST_NAME_BYTES = 63
_DAY_S, _YEAR_S = 86_400.0, 365 * 86_400.0
_MOST_BYTES = 1 << 60
LIMITS: dict[tuple[str, str], tuple[float, float]] = {
    ("source", "port"): (1, 65_535),
    ("source", "jobs"): (1, 16),
    ("source", "rows"): (1, 50_000_000),
    ("environment", "major"): (15, 99),
    ("environment", "memory_bytes"): (6 << 20, _MOST_BYTES),
    ("environment", "cpus"): (0, 4096),
    ("boundaries", "timeout_s"): (0.001, _YEAR_S),
    ("boundaries", "destroy_timeout_s"): (0.001, _YEAR_S),
    ("limits", "free_bytes"): (0, _MOST_BYTES),
    ("limits", "step_timeout_s"): (0.001, _YEAR_S),
    ("limits", "engine_patience_s"): (0, _YEAR_S),
    ("proof", "statement_timeout_s"): (0.001, _DAY_S),
    ("proof", "lock_timeout_s"): (0.001, _DAY_S),
    ("proof", "longest_lock_s"): (0.001, _DAY_S),
    ("proof", "count_timeout_s"): (0.001, _DAY_S),
    ("notify", "timeout_s"): (0.1, 300),
    ("reuse", "hours"): (0.01, LONGEST_HOURS),
}
"""Lowest and highest number that a key may have; nan is neither."""

_WITH_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*(@)|(?i:(?<=password=)|(?<=passwd=)|(?<=pwd=))\S+")
_NEEDED = {
    "demo": (),
    "connection": ("host", "database", "role", "secret"),
    "dump_file": ("path",),
    "container": ("container", "database", "role"),
}
_OF_CONTAINERS = ("container", "run_as", "endpoint", "context", "tls")
_OF_FILES = ("path", "manifest", "accept_untrusted")
_FOREIGN = {
    "demo": ("host", "role", "secret", "system_identifier", "jobs", *_OF_FILES, *_OF_CONTAINERS),
    "connection": (*_OF_FILES, *_OF_CONTAINERS),
    "dump_file": ("host", "role", "secret", "system_identifier", "jobs", *_OF_CONTAINERS),
    "container": ("jobs", *_OF_FILES),
}
_OF_DOCKER = (
    "endpoint", "context", "tls", "image", "harness_image", "container", "harness", "network", "memory_bytes", "cpus",
    "probe",
)  # fmt: skip
_ENDPOINT = re.compile(
    r"unix:///[^\s*?\[]+|ssh://(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9._:/\[\]-]+|tcp://[A-Za-z0-9._:\[\]-]+:\d+"
)
_PROBE = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d{1,5}")
_HELP = {
    "host": 'host = "db.example.org", or the folder of its socket',
    "database": 'database = "NAME", exactly one',
    "role": 'role = "NAME", a role that may read all that pg_dump reads',
    "secret": 'secret = "NAME" (drydock secret set NAME), "file:/PATH" of a 0600 file, or "prompt:NAME" to be asked',
    "path": 'path = "/PATH/of.dump"',
    "container": 'container = "NAME", as docker ps shows it',
}


def problems(config: RunConfig) -> list[Problem]:
    """Return every problem of a configuration, in the order of its sections."""
    found = [*_of_source(config.source), *_of_paths(config), *_of_names(config), *_of_engines(config)]
    found += [
        *_of_objects(config),
        *_of_proof(config.proof),
        *_of_boundaries(config),
        *_of_notify(config.notify),
    ]
    found += [
        *migration_problems(config.migration.irreversible),
        *_of_mask_secret(config.mask),
        *sampling_problems(config),
        *reuse_problems(config),
    ]
    return [*found, *out_of_limits(config)]


def _of_source(source: SourceConfig) -> Iterator[Problem]:
    default = SourceConfig()
    for key in _NEEDED[source.kind]:
        if not getattr(source, key):
            what = f"a source of kind {source.kind} needs {key}"
            yield _source(key, what, _HELP[key], f"write {_HELP[key]}", rests_on=("source.kind",))
    for key in _FOREIGN[source.kind]:
        if getattr(source, key) != getattr(default, key):
            what = f"{key} has no meaning for a source of kind {source.kind}"
            others = " or ".join(kind for kind in _FOREIGN if key not in _FOREIGN[kind])
            remedy = f"remove {key}, or name another kind"
            yield _source(key, what, f"{key} only with kind {others}", remedy, rests_on=("source.kind",))
    if source.sslmode not in SSL_MODES:
        modes = ", ".join(SSL_MODES)
        yield _source(
            "sslmode", f"{_said(source.sslmode)} is no sslmode", f"one of {modes}", f"write one of {modes}"
        )
    if source.system_identifier and not source.system_identifier.isdecimal():
        yield _source(
            "system_identifier", f"{_said(source.system_identifier)} is no system_identifier", "decimal digits",
            "write the digits of SELECT system_identifier FROM pg_control_system()",
        )  # fmt: skip
    if source.host and not source.host.startswith("/") and _HOST.fullmatch(source.host) is None:
        what = f"{_said(source.host)} is not one host"
        yield _source("host", what, "one name, one address or one folder", f"write {_HELP['host']}")
    if source.secret and not _names_a_secret(source.secret):
        what = "what stands there is no name of a secret"
        yield _source(
            "secret", what, "the name of its entry, never the secret itself", f"write {_HELP['secret']}"
        )


def _of_engines(config: RunConfig) -> Iterator[Problem]:
    default, environment = EnvironmentConfig(), config.environment
    if environment.kind != "docker":
        for key in _OF_DOCKER:
            if getattr(environment, key) != getattr(default, key):
                yield Problem(
                    section="environment", key=key, what=f"{key} has no meaning for an embedded environment",
                    expected=f"{key} only with kind docker", remedy=f'remove {key}, or write kind = "docker"',
                    rests_on=("environment.kind",),
                )  # fmt: skip
    for section, found in (("source", config.source), ("environment", environment)):
        if found.context and (found.endpoint or found.tls):
            yield Problem(
                section=section, key="context", what="a docker context has its own endpoint and its own tls",
                expected="a context, or an endpoint", remedy="remove endpoint and tls, or the context",
                rests_on=(f"{section}.endpoint", f"{section}.tls"),
            )  # fmt: skip
        if found.endpoint and _ENDPOINT.fullmatch(found.endpoint) is None:
            yield Problem(
                section=section, key="endpoint", what=f"{_said(found.endpoint)} is no address of a docker engine",
                expected="unix:///PATH, ssh://user@host or tcp://host:port",
                remedy='write "unix:///PATH", "ssh://user@host" or "tcp://host:2376" with tls = "/FOLDER"',
            )  # fmt: skip
        if found.endpoint.startswith("tcp://") and not found.tls:
            yield Problem(
                section=section, key="endpoint", what=f"{_said(found.endpoint)} would be spoken to without TLS",
                expected="tcp:// with the folder of its certificates",
                remedy='add tls = "/FOLDER" with ca.pem, cert.pem and key.pem, or use ssh://',
                rests_on=(f"{section}.tls",),
            )  # fmt: skip


def _of_objects(config: RunConfig) -> Iterator[Problem]:
    environment, protect = config.environment, config.protect
    ours = {key: getattr(environment, key) for key in ("container", "harness", "network")}
    theirs = {config.source.container: "the source", **dict.fromkeys(protect.containers, "protected")}
    named = [
        ("source", "container", config.source.container),
        *(("environment", key, name) for key, name in ours.items()),
        *(("protect", "containers", name) for name in protect.containers),
        *(("protect", "volumes", name) for name in protect.volumes),
        *(("protect", "networks", name) for name in protect.networks),
    ]
    for section, key, name in named:
        if (name or section == "protect") and (
            OBJECT_NAME.fullmatch(name) is None or _ALL_HEX.fullmatch(name)
        ):
            yield Problem(
                section=section, key=key, what=f"{_said(name)} is no exact name of a docker object",
                expected="one whole name in lower case, as docker ps, volume ls or network ls shows it",
                remedy="write one name: letters, digits, dot, dash and underscore, not only hexadecimal digits",
            )  # fmt: skip
    taken = {**{name: "protected" for name in protect.networks if name == ours["network"]}}
    for key in ("container", "harness"):
        if ours[key] and ours[key] in theirs:
            taken[ours[key]] = theirs[ours[key]]
    if ours["container"] and ours["container"] == ours["harness"]:
        taken[ours["container"]] = "the harness's too"
    for key, name in ours.items():
        if name in taken:
            yield Problem(
                section="environment", key=key, what=f"{_said(name)} is {taken[name]}",
                expected="a name of its own", remedy="choose a name that nothing has",
                rests_on=("source.container", "protect.containers", "protect.networks", "environment.harness"),
            )  # fmt: skip
    for word in environment.probe:
        if _PROBE.fullmatch(word) is None:
            yield Problem(
                section="environment", key="probe", what=f"{_said(word)} is no address and port",
                expected="an IP address, a colon and a port", remedy='write "10.0.0.1:5432"',
            )  # fmt: skip


def _of_paths(config: RunConfig) -> Iterator[Problem]:
    named = [
        ("source", "path", config.source.path),
        ("source", "manifest", config.source.manifest),
        ("source", "secret", config.source.secret.partition("file:")[2]),
        ("mask", "secret", config.mask.secret.partition("file:")[2]),
        ("source", "host", config.source.host if config.source.host.startswith("/") else ""),
        ("environment", "programs", config.environment.programs),
        ("environment", "work_folder", config.environment.work_folder),
        ("environment", "tls", config.environment.tls),
        ("source", "tls", config.source.tls),
        ("subject", "path", config.subject.path),
        ("reuse", "folder", config.reuse.folder),
        ("pack", "name", config.pack.name),
        *(("protect", "clusters", folder) for folder in config.protect.clusters),
    ]
    for section, key, path in named:
        fault = _path_fault(path)
        if fault:
            yield Problem(
                section=section, key=key, what=f"{_said(path)} {fault}",
                expected="one exact path without .., wildcards and control characters", remedy="write one exact path",
            )  # fmt: skip
    for folder in config.protect.clusters:
        if not folder.startswith("/"):
            yield Problem(
                section="protect", key="clusters", what=f"{_said(folder)} is not an absolute path",
                expected="a path that begins with /", remedy="write the cluster's data_directory",
            )  # fmt: skip


def _path_fault(path: str) -> str:
    if ".." in PurePosixPath(path).parts:
        return "climbs out of its folder (..)"
    if any(character in path for character in "*?["):
        return "has a wildcard"
    return "has a control character" if _has_control(path) else ""


def _of_names(config: RunConfig) -> Iterator[Problem]:
    search = config.search
    named = [
        ("source", "database", config.source.database),
        ("source", "role", config.source.role),
        *(("search", "roles", name) for name in search.roles),
    ]
    for section, key, name in named:
        fault = _name_fault(name)
        if fault:
            yield Problem(
                section=section, key=key, what=f"{_said(name)} {fault}",
                expected=f"one exact name of at most {_LONGEST_NAME_BYTES} bytes", remedy="write one exact name",
            )  # fmt: skip
    words = (
        ("security_definer", search.security_definer),
        ("rules", search.rules),
        ("settings", search.settings),
    )
    for key, listed in words:
        for name in listed:
            if not name or "*" in name or _has_control(name):
                yield Problem(
                    section="search", key=key, what=f"{_said(name)} is not one exact name",
                    expected="one exact name", remedy="write what the run's report says was found, word by word",
                )  # fmt: skip
    pack = config.pack.name
    if "/" not in pack and (OBJECT_NAME.fullmatch(pack) is None or _ALL_HEX.fullmatch(pack)):
        yield Problem(
            section="pack", key="name", what=f"{_said(pack)} is no name of a pack",
            expected="a shipped pack's name, or a path with a /",
            remedy="drydock packs lists them; or write a folder's path",
        )  # fmt: skip


def _of_proof(proof: ProofConfig) -> Iterator[Problem]:
    for name in proof.accept:
        if not name or "*" in name or _has_control(name):
            yield Problem(
                section="proof", key="accept", what=f"{_said(name)} is not one exact name",
                expected="one exact name", remedy="write what the run's reason gives in quotes, word by word",
            )  # fmt: skip
    for secret in proof.secrets.values():
        if not _names_a_secret(secret):
            yield Problem(
                section="proof", key="secrets", what="what stands there is no name of a secret",
                expected="the name of its entry, never the secret itself", remedy=f"write {_HELP['secret']}",
            )  # fmt: skip
    for table, rows in proof.baseline.items():
        if rows < 0:
            yield Problem(
                section="proof", key="baseline", what=f"{_said(table)} cannot have {rows} rows",
                expected="0 or more", remedy="write the number of an earlier count",
            )  # fmt: skip


def _of_boundaries(config: RunConfig) -> Iterator[Problem]:
    boundaries = config.boundaries
    remedy = 'write approvers = "GROUP"'
    if boundaries.approvers and _GROUP.fullmatch(boundaries.approvers) is None:
        yield Problem(
            section="boundaries", key="approvers", what=f"{_said(boundaries.approvers)} is no name of a group",
            expected="a group of this machine", remedy=remedy,
        )  # fmt: skip
    if boundaries.require_two and not boundaries.approvers:
        yield Problem(
            section="boundaries", key="require_two", what="require_two needs the group of those who can be the second",
            expected='approvers = "GROUP" beside it', remedy=remedy, rests_on=("boundaries.approvers",),
        )  # fmt: skip


def _of_notify(notify: NotifyConfig) -> Iterator[Problem]:
    def problem(key: str, what: str, expected: str, remedy: str) -> Problem:
        return Problem(section="notify", key=key, what=what, expected=expected, remedy=remedy)

    if notify.command and not notify.command[0].startswith("/"):
        what = f"{_said(notify.command[0])} is not the absolute path of a program"
        yield problem(
            "command",
            what,
            "an absolute path and its words",
            'write command = ["/PATH/TO/PROGRAM", "WORD"]; no shell reads it',
        )
    if any("\0" in word for word in notify.command):
        yield problem("command", "a word of the command holds a NUL", "text", "remove it")
    secret = notify.webhook_secret
    if secret and (secret.startswith("prompt:") or not _names_a_secret(secret)):
        what = "what stands there is no name of a stored secret"
        yield problem(
            "webhook_secret",
            what,
            "the name of a secret",
            'write the name of the entry that holds the address, or "file:/PATH"',
        )
    if not notify.events:
        yield problem(
            "events", "events names nothing", "one event or both", 'write "boundary", "ended" or both'
        )


def _of_mask_secret(mask: MaskConfig) -> Iterator[Problem]:
    if mask.secret and (mask.secret.startswith("prompt:") or not _names_a_secret(mask.secret)):
        yield Problem(
            section="mask", key="secret", what="what stands there is no name of a stored secret",
            expected="the name of its entry, never the secret itself",
            remedy='write the name of the entry that holds the key, or "file:/PATH"; none: a key of each run\'s own',
        )  # fmt: skip


def _name_fault(name: str) -> str:
    if len(name.encode()) > _LONGEST_NAME_BYTES:
        return f"is longer than {_LONGEST_NAME_BYTES} bytes, which PostgreSQL would cut"
    if any(character in name for character in "*?%"):
        return "has a wildcard"
    if "=" in name or "://" in name:
        return "is a connection string"
    return "has a control character" if _has_control(name) else ""


def _names_a_secret(name: str) -> bool:
    """Tell whether it is a file's path, or a name, to be found or to be typed."""
    return name.startswith("file:/") or _SECRET.fullmatch(name.removeprefix("prompt:")) is not None


def _has_control(text: str) -> bool:
    return any(ord(character) < 0x20 or ord(character) == 0x7F for character in text)


def _source(key: str, what: str, expected: str, remedy: str, *, rests_on: tuple[str, ...] = ()) -> Problem:
    return Problem(section="source", key=key, what=what, expected=expected, remedy=remedy, rests_on=rests_on)


def _said(text: str) -> str:
    """Return the text in quotes, without what may be a password in it."""
    return repr(one_line(_WITH_PASSWORD.sub(r"\1…\2", text), limit_chars=60))


def out_of_limits(config: RunConfig) -> Iterator[Problem]:
    """Yield every number that no run can work with."""
    for (section, key), (lowest, highest) in LIMITS.items():
        value = getattr(getattr(config, section), key)
        if not lowest <= value <= highest:
            yield Problem(
                section=section, key=key, what=f"{key} {value:.12g} is not between {lowest:.12g} and {highest:.12g}",
                expected=f"a number from {lowest:.12g} to {highest:.12g}", remedy="mend the number",
            )  # fmt: skip
