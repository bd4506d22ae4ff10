"""The functions and operators of PostgreSQL's own that a subject may use.

Owns the allow-list. surface_functions.txt was taken from the catalogues of 16 and 18: every overload
immutable or stable, callable from SQL, and none of the exceptions below; tests compare it with a
server's catalogue. A function that is in neither list is refused, also when it happens to be harmless.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

VOLATILE_BUT_HARMLESS = frozenset(
    """
    clock_timestamp current_query currval gen_random_uuid lastval pg_blocking_pids pg_database_size
    pg_indexes_size pg_is_in_recovery pg_partition_ancestors pg_partition_tree pg_relation_size
    pg_table_size pg_tablespace_size pg_total_relation_size pg_xact_status random timeofday txid_status
    """.split()  # noqa: SIM905
)
"""Volatile because their answer changes, not because they change anything."""

VOLATILE_BUT_HARMLESS_SINCE = {18: frozenset({"uuidv4", "uuidv7"})}

STABLE_BUT_RUNS_CODE = frozenset(
    """
    currtid2 fmgr_c_validator fmgr_internal_validator fmgr_sql_validator pg_input_error_info
    pg_input_is_valid pg_replication_origin_oid postgresql_fdw_validator satisfies_hash_partition
    """.split()  # noqa: SIM905
)
"""Stable by the catalogue, yet they load libraries or run a domain's or partition's functions by name;
so do all of *_to_xml and *_to_xmlschema, which query tables and views behind a name."""

MEASURED_MAJORS = (16, 18)

OPERATORS = frozenset(
    """
    !! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <->
    << <<= <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>>
    || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* !=
    """.split()  # noqa: SIM905
)
"""Every operator name of pg_catalog in 16 and 18; none of their functions is volatile."""


@cache
def harmless_functions(major: int | None) -> frozenset[str]:
    """Return the names allowed in a server of `major`; for one that was not measured, those of all."""
    wanted = (major,) if major in MEASURED_MAJORS else MEASURED_MAJORS
    names = set(VOLATILE_BUT_HARMLESS)
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="ascii").splitlines():
        name, _space, only = line.partition(" ")
        if name != "#" and (not only or wanted == (int(only),)):
            names.add(name)
    for since, added in VOLATILE_BUT_HARMLESS_SINCE.items():
        if min(wanted) >= since:
            names |= added
    return frozenset(names)


@cache
def harmful_after_a_dot() -> frozenset[str]:
    """Return the functions of PostgreSQL's own that `(value).name` would call and that are not known to be harmless.

    They take one argument, of any type: what looks like a column of a value is a call where there is no such column
    (PostgreSQL, 4.2.4 and 8.16.5). Taken from the catalogues of 16 and 18, and compared with them by a test.
    """
    path = Path(__file__).with_name("surface_functions_of_one.txt")
    lines = path.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
