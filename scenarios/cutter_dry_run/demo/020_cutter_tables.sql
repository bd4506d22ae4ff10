-- Purpose: the twelve tables that the cutter writes, reads or leaves alone, owned by directus.
-- Columns: digests are lower-case hex sha256; *_at is timestamptz (UTC); ordinal counts from 1.
-- Lowest server version: 16.
-- Keys are UUIDs made by the client. Deliberately without CHECK, trigger, DEFAULT, enum and without a
-- unique index on decision_backlog_entry.idempotency_key: a replay must be stopped by reading first.

CREATE TABLE public.cut_policy (
    policy_id uuid NOT NULL,
    name text NOT NULL,
    rule jsonb NOT NULL,
    active boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT cut_policy_pkey PRIMARY KEY (policy_id)
);

CREATE TABLE public.decision_backlog_entry (
    entry_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    unit_ref text NOT NULL,
    priority integer NOT NULL,
    status text NOT NULL,
    payload jsonb NOT NULL,
    marked_at timestamp with time zone NOT NULL,
    CONSTRAINT decision_backlog_entry_pkey PRIMARY KEY (entry_id)
);

CREATE TABLE public.decision_backlog_history (
    history_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    from_status text,
    to_status text NOT NULL,
    phase text NOT NULL,
    principal text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT decision_backlog_history_pkey PRIMARY KEY (history_id),
    CONSTRAINT decision_backlog_history_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id)
);

CREATE TABLE public.decision_backlog_dependency (
    dependency_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    depends_on_ref text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT decision_backlog_dependency_pkey PRIMARY KEY (dependency_id),
    CONSTRAINT decision_backlog_dependency_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id)
);

CREATE TABLE public.sweep_log (
    sweep_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    dependencies_seen integer NOT NULL,
    outcome text NOT NULL,
    swept_at timestamp with time zone NOT NULL,
    CONSTRAINT sweep_log_pkey PRIMARY KEY (sweep_id),
    CONSTRAINT sweep_log_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id)
);

CREATE TABLE public.manifest_envelope (
    envelope_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    digest text NOT NULL,
    block_count integer NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    CONSTRAINT manifest_envelope_pkey PRIMARY KEY (envelope_id),
    CONSTRAINT manifest_envelope_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id)
);

CREATE TABLE public.manifest_unit_block (
    block_id uuid NOT NULL,
    envelope_id uuid NOT NULL,
    ordinal integer NOT NULL,
    unit_ref text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT manifest_unit_block_pkey PRIMARY KEY (block_id),
    CONSTRAINT manifest_unit_block_envelope_id_fkey FOREIGN KEY (envelope_id)
        REFERENCES public.manifest_envelope (envelope_id)
);

CREATE TABLE public.review_decision (
    review_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    envelope_id uuid NOT NULL,
    verdict text NOT NULL,
    reviewer text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    CONSTRAINT review_decision_pkey PRIMARY KEY (review_id),
    CONSTRAINT review_decision_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id),
    CONSTRAINT review_decision_envelope_id_fkey FOREIGN KEY (envelope_id)
        REFERENCES public.manifest_envelope (envelope_id)
);

CREATE TABLE public.dot_pair_signature (
    signature_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    side text NOT NULL,
    principal text NOT NULL,
    digest text NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    CONSTRAINT dot_pair_signature_pkey PRIMARY KEY (signature_id),
    CONSTRAINT dot_pair_signature_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id)
);

CREATE TABLE public.cut_change_set (
    change_set_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    envelope_id uuid NOT NULL,
    executor_signature_id uuid NOT NULL,
    verifier_signature_id uuid,
    applied_at timestamp with time zone NOT NULL,
    CONSTRAINT cut_change_set_pkey PRIMARY KEY (change_set_id),
    CONSTRAINT cut_change_set_entry_id_fkey FOREIGN KEY (entry_id)
        REFERENCES public.decision_backlog_entry (entry_id),
    CONSTRAINT cut_change_set_envelope_id_fkey FOREIGN KEY (envelope_id)
        REFERENCES public.manifest_envelope (envelope_id),
    CONSTRAINT cut_change_set_executor_signature_id_fkey FOREIGN KEY (executor_signature_id)
        REFERENCES public.dot_pair_signature (signature_id),
    CONSTRAINT cut_change_set_verifier_signature_id_fkey FOREIGN KEY (verifier_signature_id)
        REFERENCES public.dot_pair_signature (signature_id)
);

CREATE TABLE public.cut_change_set_affected_row (
    affected_row_id uuid NOT NULL,
    change_set_id uuid NOT NULL,
    block_id uuid NOT NULL,
    before_digest text NOT NULL,
    after_digest text NOT NULL,
    CONSTRAINT cut_change_set_affected_row_pkey PRIMARY KEY (affected_row_id),
    CONSTRAINT cut_change_set_affected_row_change_set_id_fkey FOREIGN KEY (change_set_id)
        REFERENCES public.cut_change_set (change_set_id),
    CONSTRAINT cut_change_set_affected_row_block_id_fkey FOREIGN KEY (block_id)
        REFERENCES public.manifest_unit_block (block_id)
);

CREATE TABLE public.verify_result (
    result_id uuid NOT NULL,
    change_set_id uuid NOT NULL,
    signature_id uuid NOT NULL,
    outcome text NOT NULL,
    verified_at timestamp with time zone NOT NULL,
    CONSTRAINT verify_result_pkey PRIMARY KEY (result_id),
    CONSTRAINT verify_result_change_set_id_fkey FOREIGN KEY (change_set_id)
        REFERENCES public.cut_change_set (change_set_id),
    CONSTRAINT verify_result_signature_id_fkey FOREIGN KEY (signature_id)
        REFERENCES public.dot_pair_signature (signature_id)
);

ALTER TABLE public.cut_policy OWNER TO directus;
ALTER TABLE public.decision_backlog_entry OWNER TO directus;
ALTER TABLE public.decision_backlog_history OWNER TO directus;
ALTER TABLE public.decision_backlog_dependency OWNER TO directus;
ALTER TABLE public.sweep_log OWNER TO directus;
ALTER TABLE public.manifest_envelope OWNER TO directus;
ALTER TABLE public.manifest_unit_block OWNER TO directus;
ALTER TABLE public.review_decision OWNER TO directus;
ALTER TABLE public.dot_pair_signature OWNER TO directus;
ALTER TABLE public.cut_change_set OWNER TO directus;
ALTER TABLE public.cut_change_set_affected_row OWNER TO directus;
ALTER TABLE public.verify_result OWNER TO directus;
