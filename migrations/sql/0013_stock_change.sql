-- Change one level by hand: p_quantity units of one variant at one location from one state to
-- another, by references as a client names them. A level that does not exist is made. Writes the
-- ledger, the event and the audit entry with it. `outcome` is DONE; or, with nothing changed,
-- NO_VARIANT, NO_LOCATION (none in use), SHORT (p_from has fewer units) or FULL (the target would pass p_most).
-- The level is returned as it then is.
CREATE OR REPLACE FUNCTION stock_change(
    p_variant uuid, p_sku text, p_code text, p_from text, p_to text, p_quantity int, p_reason text,
    p_most int, p_action text, p_source_kind text, p_source uuid, p_actor text, p_now timestamptz
) RETURNS TABLE (
    outcome text, id uuid, variant_id uuid, sku text, location_id uuid, on_hand int, available int,
    held int, committed int, safety_stock int, quality_control int, damaged int, incoming int
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_variant uuid; v_sku text; v_location uuid; was stock_levels; is_now stock_levels;
    present int; verdict text := 'DONE';
BEGIN
    IF p_sku IS NOT NULL THEN
        SELECT v.id, v.sku INTO v_variant, v_sku FROM variants v WHERE v.sku = p_sku;
    ELSE
        SELECT v.id, v.sku INTO v_variant, v_sku FROM variants v WHERE v.id = p_variant;
    END IF;
    -- FOR SHARE keeps an archiving, which looks whether the location is empty, from passing by.
    SELECT l.id INTO v_location FROM locations l
     WHERE l.code = p_code AND l.archived_at IS NULL FOR SHARE;
    IF v_variant IS NULL OR v_location IS NULL THEN
        outcome := CASE WHEN v_variant IS NULL THEN 'NO_VARIANT' ELSE 'NO_LOCATION' END;
        RETURN NEXT;
        RETURN;
    END IF;

    LOOP
        SELECT s.* INTO was FROM stock_levels s
         WHERE s.variant_id = v_variant AND s.location_id = v_location FOR NO KEY UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO stock_levels (id, variant_id, location_id)
        VALUES (gen_random_uuid(), v_variant, v_location) ON CONFLICT DO NOTHING;
    END LOOP;
    is_now := was;

    present := CASE p_from WHEN 'available' THEN was.available WHEN 'held' THEN was.held
                           WHEN 'committed' THEN was.committed WHEN 'safety_stock' THEN was.safety_stock
                           WHEN 'quality_control' THEN was.quality_control
                           WHEN 'damaged' THEN was.damaged WHEN 'incoming' THEN was.incoming END;
    IF p_quantity > present THEN
        verdict := 'SHORT';
    ELSIF p_from = 'adjustment' AND was.on_hand > p_most - p_quantity THEN
        verdict := 'FULL';
    ELSE
        PERFORM stock_apply(
            ARRAY[v_variant], ARRAY[v_location], ARRAY[p_from], ARRAY[p_to], ARRAY[p_quantity],
            ARRAY[p_reason], p_source_kind, ARRAY[p_source], p_actor, p_now);
        SELECT s.* INTO is_now FROM stock_levels s WHERE s.id = was.id;
        INSERT INTO audit_entries (actor, action, target_kind, target_id, before, after, occurred_at)
        SELECT p_actor, p_action, 'stock_level', was.id, jsonb_object_agg(b.key, b.value),
               jsonb_object_agg(b.key, to_jsonb(is_now) -> b.key), p_now
          FROM jsonb_each(to_jsonb(was)) b
         WHERE b.key <> 'version' AND b.value <> to_jsonb(is_now) -> b.key;
    END IF;

    RETURN QUERY SELECT verdict, is_now.id, v_variant, v_sku, v_location, is_now.on_hand,
        is_now.available, is_now.held, is_now.committed, is_now.safety_stock,
        is_now.quality_control, is_now.damaged, is_now.incoming;
END $$;
