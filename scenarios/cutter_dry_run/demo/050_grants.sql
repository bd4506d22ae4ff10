-- The privilege matrix: 33 table privileges, 3 column UPDATEs, 13 views (design section 5).

SET ROLE directus;

GRANT CONNECT ON DATABASE directus TO cutter_exec, cutter_verify, cutter_ro, context_pack_readonly;
GRANT USAGE ON SCHEMA public TO cutter_exec, cutter_verify, cutter_ro, context_pack_readonly;

GRANT SELECT, INSERT ON
    decision_backlog_entry, decision_backlog_history, decision_backlog_dependency, sweep_log,
    manifest_envelope, manifest_unit_block, review_decision, dot_pair_signature, cut_change_set,
    cut_change_set_affected_row
TO cutter_exec;
GRANT SELECT ON verify_result, cut_policy TO cutter_exec;
GRANT UPDATE (status) ON decision_backlog_entry TO cutter_exec;

GRANT SELECT ON
    decision_backlog_entry, manifest_envelope, manifest_unit_block, cut_change_set,
    cut_change_set_affected_row
TO cutter_verify;
GRANT SELECT, INSERT ON decision_backlog_history, dot_pair_signature, verify_result TO cutter_verify;
GRANT UPDATE (status) ON decision_backlog_entry TO cutter_verify;
GRANT UPDATE (verifier_signature_id) ON cut_change_set TO cutter_verify;

GRANT SELECT ON
    ro_decision_backlog_entry, ro_decision_backlog_history, ro_decision_backlog_dependency, ro_sweep_log,
    ro_manifest_envelope, ro_manifest_unit_block, ro_review_decision, ro_dot_pair_signature,
    ro_cut_change_set, ro_cut_change_set_affected_row, ro_verify_result, ro_cut_policy, ro_cutter_summary
TO cutter_ro;

GRANT SELECT ON directus_collections, directus_fields, information_unit, unit_version
TO context_pack_readonly;

RESET ROLE;
