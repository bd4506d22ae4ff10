"""An operator's WHERE: what is one harmless expression, and what is anything else."""

from __future__ import annotations

import pytest

from console.witness.where_text import where_refusal

TAKEN = (
    "true", "id < 100", "created_at >= now() - interval '30 days'", "lower(name) LIKE 'a%'", "a = 1 OR b = 2 -- why",
    'id IN (SELECT owner FROM public."Other")', "(a, b) IN ((1, 2), (3, 4))", "note = '); DROP TABLE x; --'",
    "payload @> '{\"a\": {}}'", "mod(id, 100) = 7", "price BETWEEN 1 AND 5 AND NOT done", "name ~ '^%s{2}$'",
)  # fmt: skip
REFUSED = {
    "": "it is empty",
    " \n": "it is empty",
    "true; DELETE FROM t": "more than one expression",
    "true) UNION SELECT * FROM (SELECT 1": "syntax error",
    "true ORDER BY 1": "more than one expression",
    "true LIMIT 1": "more than one expression",
    "true FOR UPDATE": "more than one expression",
    "true GROUP BY a": "more than one expression",
    "a) OR (b": "syntax error",
    "true /* open": "unterminated",
    "EXISTS (WITH d AS (DELETE FROM t RETURNING 1) SELECT FROM d)": "DELETE",
    "EXISTS (WITH d AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT FROM d)": "INSERT",
    "EXISTS (SELECT FROM t FOR SHARE)": "it locks rows",
    "id = $1": "it has a parameter",
    "pg_read_file('/etc/passwd') = ''": "pg_read_file is not known to be harmless",
    "nextval('s') > 1": "nextval",
    "pg_advisory_lock(1) IS NULL": "pg_advisory_lock",
    "set_config('search_path', 'x', false) = ''": "search_path",
    "public.mine(id)": "public.mine is not known to be harmless",
    "a OPERATOR(public.=) b": "is not PostgreSQL's own",
    "dblink('x', 'y') IS NULL": "dblink",
    "query_to_xml('DELETE FROM t', true, true, '') IS NULL": "query_to_xml",
    "random() < 0.1": "random does not answer alike",
    "pg_catalog.clock_timestamp() > x": "clock_timestamp does not answer alike",
    "x < statement_timestamp()": "statement_timestamp does not answer alike",
    "current_setting('drydock.mask_inner') = ''": "current_setting does not answer alike",
    "id IN (SELECT id FROM public.t TABLESAMPLE system (1))": "TABLESAMPLE does not give the same rows",
    "lo_import('/x') > 0": "lo_import",
    "('evil'::name).pg_create_physical_replication_slot IS NOT NULL": "pg_create_physical_replication_slot",
    "(0.02::float8).pg_sleep IS NULL": "pg_sleep",
    "('a.b'::text).current_setting = ''": "does not answer alike",
    "email::shop.dom IS NOT NULL": "the type shop.dom is not PostgreSQL's own",
}


@pytest.mark.parametrize("text", TAKEN)
def test_one_expression_is_taken(text: str) -> None:
    """An ordinary condition is refused."""
    assert where_refusal(text) == ""


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused(text: str) -> None:
    """A text that is more than one expression, writes, locks or calls what nobody knows is taken."""
    assert REFUSED[text] in where_refusal(text)
