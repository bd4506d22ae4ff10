-- The thirteen views that cutter_ro reads: one a cutter table and one summary. Owner: directus, whose
-- privileges a view's reader uses, so that cutter_ro needs none on the tables.

ALTER TABLE decision_backlog_entry OWNER TO directus;
ALTER TABLE decision_backlog_history OWNER TO directus;
ALTER TABLE decision_backlog_dependency OWNER TO directus;
ALTER TABLE sweep_log OWNER TO directus;
ALTER TABLE manifest_envelope OWNER TO directus;
ALTER TABLE manifest_unit_block OWNER TO directus;
ALTER TABLE review_decision OWNER TO directus;
ALTER TABLE dot_pair_signature OWNER TO directus;
ALTER TABLE cut_change_set OWNER TO directus;
ALTER TABLE cut_change_set_affected_row OWNER TO directus;
ALTER TABLE verify_result OWNER TO directus;
ALTER TABLE cut_policy OWNER TO directus;

SET ROLE directus;

CREATE VIEW ro_decision_backlog_entry AS SELECT * FROM decision_backlog_entry;
CREATE VIEW ro_decision_backlog_history AS SELECT * FROM decision_backlog_history;
CREATE VIEW ro_decision_backlog_dependency AS SELECT * FROM decision_backlog_dependency;
CREATE VIEW ro_sweep_log AS SELECT * FROM sweep_log;
CREATE VIEW ro_manifest_envelope AS SELECT * FROM manifest_envelope;
CREATE VIEW ro_manifest_unit_block AS SELECT * FROM manifest_unit_block;
CREATE VIEW ro_review_decision AS SELECT * FROM review_decision;
CREATE VIEW ro_dot_pair_signature AS SELECT * FROM dot_pair_signature;
CREATE VIEW ro_cut_change_set AS SELECT * FROM cut_change_set;
CREATE VIEW ro_cut_change_set_affected_row AS SELECT * FROM cut_change_set_affected_row;
CREATE VIEW ro_verify_result AS SELECT * FROM verify_result;
CREATE VIEW ro_cut_policy AS SELECT * FROM cut_policy;

CREATE VIEW ro_cutter_summary AS
    SELECT 'decision_backlog_entry' AS table_name, count(*) AS row_count FROM decision_backlog_entry
    UNION ALL SELECT 'decision_backlog_history' AS table_name, count(*) AS row_count FROM decision_backlog_history
    UNION ALL SELECT 'decision_backlog_dependency' AS table_name, count(*) AS row_count FROM decision_backlog_dependency
    UNION ALL SELECT 'sweep_log' AS table_name, count(*) AS row_count FROM sweep_log
    UNION ALL SELECT 'manifest_envelope' AS table_name, count(*) AS row_count FROM manifest_envelope
    UNION ALL SELECT 'manifest_unit_block' AS table_name, count(*) AS row_count FROM manifest_unit_block
    UNION ALL SELECT 'review_decision' AS table_name, count(*) AS row_count FROM review_decision
    UNION ALL SELECT 'dot_pair_signature' AS table_name, count(*) AS row_count FROM dot_pair_signature
    UNION ALL SELECT 'cut_change_set' AS table_name, count(*) AS row_count FROM cut_change_set
    UNION ALL SELECT 'cut_change_set_affected_row' AS table_name, count(*) AS row_count FROM cut_change_set_affected_row
    UNION ALL SELECT 'verify_result' AS table_name, count(*) AS row_count FROM verify_result
    UNION ALL SELECT 'cut_policy' AS table_name, count(*) AS row_count FROM cut_policy;

RESET ROLE;
