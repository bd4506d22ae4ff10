"""Which settings a subject may change, and to what; every other one is refused.

Never reads the server: a setting is harmless or it is not, whatever its present value.
"""

from __future__ import annotations

from collections.abc import Sequence

HARMLESS_SETTINGS = frozenset(
    """
    application_name bytea_output client_encoding client_min_messages constraint_exclusion
    cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost cursor_tuple_fraction datestyle
    default_text_search_config default_transaction_deferrable default_transaction_isolation
    default_transaction_read_only effective_cache_size enable_async_append enable_bitmapscan
    enable_gathermerge enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan
    enable_indexscan enable_material enable_memoize enable_mergejoin enable_nestloop
    enable_parallel_append enable_parallel_hash enable_partition_pruning
    enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate
    enable_seqscan enable_sort enable_tidscan extra_float_digits from_collapse_limit geqo
    geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
    hash_mem_multiplier idle_in_transaction_session_timeout idle_session_timeout intervalstyle jit
    jit_above_cost jit_inline_above_cost jit_optimize_above_cost join_collapse_limit lock_timeout
    max_parallel_workers_per_gather min_parallel_index_scan_size min_parallel_table_scan_size
    parallel_leader_participation parallel_setup_cost parallel_tuple_cost plan_cache_mode
    random_page_cost search_path seq_page_cost statement_timeout temp_buffers timezone
    transaction_deferrable transaction_isolation transaction_read_only transaction_timeout work_mem
    xmlbinary xmloption
    """.split()  # noqa: SIM905
)
"""Client, format, time limit and planner settings (PostgreSQL manual, 20.7 and 20.11). Left out on
purpose: roles, replication, logging, quoting rules, durability, tablespaces, libraries, debugging."""

LOADED_MODULE_PREFIXES = frozenset(
    """
    anon auto_explain citus cron drydock log pg_hint_plan pg_stat_statements pgaudit plperl plpgsql
    plpython pltcl sepgsql supautils timescaledb
    """.split()  # noqa: SIM905
)
"""Modules whose dotted settings do something; other dotted names are an application's own notes."""


def refusal_of_setting(name: str, values: Sequence[str] | None) -> str:
    """Return why `name` may not be set to `values` (None: back to its default), empty when it may."""
    name = name.lower()
    prefix, dot, _rest = name.partition(".")
    if dot:
        known = prefix in LOADED_MODULE_PREFIXES
        return f"the setting {name} belongs to the module {prefix}" if known else ""
    if name not in HARMLESS_SETTINGS:
        return f"setting {name} is not known to be harmless"
    if values is None:
        return ""
    if name == "client_encoding" and [_plain(value) for value in values] not in (["utf8"], ["unicode"]):
        return "client_encoding other than UTF8 would change how the text is read"
    if name == "application_name" and any(value.lower().startswith("drydock") for value in values):
        return "application_name would pass for Drydock's own"
    if name == "search_path":
        return _refusal_of_path([part for value in values for part in _path_parts(value)])
    return ""


def _plain(value: str) -> str:
    return value.lower().replace("-", "").replace("_", "")


def _path_parts(value: str) -> list[str]:
    return [part.strip().strip('"').lower() for part in value.split(",")]


def _refusal_of_path(parts: list[str]) -> str:
    if "pg_catalog" in parts[1:]:
        return "search_path would put other schemas before pg_catalog"
    if any(part.startswith("pg_temp") for part in parts):
        return "search_path would search temporary objects"
    return ""
