-- Purpose: fn_iu_create as production has it: UUID keys, no sequence, a transaction-local setting, and an
-- advisory lock that ends with the transaction; and the trigger that stamps an updated unit.
-- Columns: nine arguments; returns the new unit's id.
-- Lowest server version: 16.

SET ROLE directus;

CREATE FUNCTION public.fn_iu_create(
    p_unit_ref text, p_kind text, p_title text, p_body text, p_payload jsonb, p_actor text, p_source text,
    p_parent_ref text, p_idempotency_key text
) RETURNS uuid
LANGUAGE plpgsql
AS $body$
DECLARE
    v_iu_id uuid := gen_random_uuid();
    v_uv_id uuid := gen_random_uuid();
BEGIN
    IF p_unit_ref IS NULL OR p_idempotency_key IS NULL THEN
        RAISE EXCEPTION 'unit_ref and idempotency_key are required' USING ERRCODE = '22004';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(p_unit_ref, 0));
    PERFORM set_config('app.canonical_writer', 'fn_iu_create', true);
    INSERT INTO public.information_unit (unit_id, unit_ref, kind, title, parent_ref, actor, idempotency_key)
    VALUES (v_iu_id, p_unit_ref, p_kind, p_title, p_parent_ref, p_actor, p_idempotency_key);
    INSERT INTO public.unit_version (version_id, unit_id, ordinal, body, payload, source)
    VALUES (v_uv_id, v_iu_id, 1, p_body, p_payload, p_source);
    UPDATE public.information_unit SET current_version_id = v_uv_id WHERE unit_id = v_iu_id;
    RETURN v_iu_id;
END
$body$;

CREATE FUNCTION public.fn_iu_stamp() RETURNS trigger
LANGUAGE plpgsql
AS $body$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$body$;

CREATE TRIGGER information_unit_stamp BEFORE UPDATE ON public.information_unit
FOR EACH ROW EXECUTE FUNCTION public.fn_iu_stamp();

RESET ROLE;
