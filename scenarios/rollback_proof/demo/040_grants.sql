-- Purpose: what the two roles of the cutter may do here, and nothing more.
-- Lowest server version: 16.

SET ROLE directus;

REVOKE EXECUTE ON FUNCTION public.fn_iu_create FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO cutter_exec, cutter_verify;
GRANT EXECUTE ON FUNCTION public.fn_iu_create TO cutter_exec;
GRANT SELECT, INSERT, UPDATE ON public.information_unit TO cutter_exec;
GRANT SELECT, INSERT ON public.unit_version, public.decision_backlog_entry, public.decision_backlog_history,
    public.review_decision, public.dot_pair_signature, public.cut_change_set, public.cut_change_set_affected_row
TO cutter_exec;
GRANT SELECT ON
    public.information_unit, public.unit_version, public.decision_backlog_entry, public.decision_backlog_history,
    public.review_decision, public.dot_pair_signature, public.cut_change_set, public.cut_change_set_affected_row
TO cutter_verify;
GRANT SELECT, INSERT ON public.verify_result TO cutter_verify;

RESET ROLE;
