"""The SQL of the live adapter, one text a statement; values are always bound."""

from __future__ import annotations

CUT_LEG_A = "SELECT public.fn_iu_create(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
COUNT_UNITS = "SELECT count(*) FROM public.information_unit"
MARK = (
    "INSERT INTO public.decision_backlog_entry (entry_id, idempotency_key, unit_ref, status, marked_at)"
    " VALUES (%s, %s, %s, %s, %s)"
)
REVIEW = (
    "INSERT INTO public.review_decision (review_id, entry_id, verdict, reviewer, decided_at)"
    " VALUES (%s, %s, %s, %s, %s)"
)
CUT_LEG_B = (
    "INSERT INTO public.cut_change_set (change_set_id, entry_id, executor_signature_id, applied_at)"
    " VALUES (%s, %s, %s, %s)"
)
FIND = "SELECT entry_id, unit_ref, status FROM public.decision_backlog_entry WHERE idempotency_key = %s"

VERIFY_UNIT = (
    "SELECT u.unit_id, u.unit_ref, v.version_id, v.ordinal FROM public.information_unit AS u"
    " JOIN public.unit_version AS v ON v.version_id = u.current_version_id WHERE u.unit_ref = %s"
)
VERIFY_CHANGE_SET = (
    "SELECT c.change_set_id, c.verifier_signature_id, r.before_digest, r.after_digest"
    " FROM public.cut_change_set AS c"
    " JOIN public.cut_change_set_affected_row AS r ON r.change_set_id = c.change_set_id"
    " WHERE c.entry_id = %s"
)
VERIFY_SIGNATURES = "SELECT signature_id, side, digest FROM public.dot_pair_signature WHERE entry_id = %s"
VERIFY_HISTORY = (
    "SELECT to_status, phase FROM public.decision_backlog_history WHERE entry_id = %s ORDER BY recorded_at"
)
VERIFY_PATH = (VERIFY_UNIT, VERIFY_CHANGE_SET, VERIFY_SIGNATURES, VERIFY_HISTORY)
