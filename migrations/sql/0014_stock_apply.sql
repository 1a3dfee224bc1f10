-- What writes every change of stock, as it is since revision 0014.

-- Apply movements to levels that the caller has locked; p_* are parallel arrays, p_sources too.
-- Writes levels, ledger and one StockChanged event a level, which tells the counts as they are then
-- and what was available before. CHECK constraints refuse negatives.
CREATE OR REPLACE FUNCTION stock_apply(
    p_variants uuid[], p_locations uuid[], p_from text[], p_to text[], p_quantities int[],
    p_reasons text[], p_source_kind text, p_sources uuid[], p_actor text, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH moves AS (
        SELECT * FROM unnest(p_variants, p_locations, p_from, p_to, p_quantities, p_reasons, p_sources)
               WITH ORDINALITY AS m (variant, location, source, target, quantity, reason, document, position)
    ), change AS (
        SELECT variant, location,
               sum(CASE 'available' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS available,
               sum(CASE 'held' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS held,
               sum(CASE 'committed' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS committed,
               sum(CASE 'safety_stock' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS safety_stock,
               sum(CASE 'quality_control' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS quality_control,
               sum(CASE 'damaged' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS damaged,
               sum(CASE 'incoming' WHEN target THEN quantity WHEN source THEN -quantity ELSE 0 END) AS incoming
          FROM moves GROUP BY variant, location
    ), level AS (
        UPDATE stock_levels s
           SET available = s.available + c.available, held = s.held + c.held,
               committed = s.committed + c.committed, safety_stock = s.safety_stock + c.safety_stock,
               quality_control = s.quality_control + c.quality_control,
               damaged = s.damaged + c.damaged, incoming = s.incoming + c.incoming,
               version = s.version + 1
          FROM change c
         WHERE s.variant_id = c.variant AND s.location_id = c.location
        RETURNING s.*, s.available - c.available AS available_before
    ), event AS (
        INSERT INTO event_outbox
               (kind, aggregate, aggregate_id, version, channel_id, payload, actor, occurred_at)
        SELECT 'StockChanged', 'stock', l.id, l.version, NULL,
               jsonb_build_object(
                   'variantId', l.variant_id, 'sku', v.sku, 'locationId', l.location_id,
                   'onHand', l.on_hand, 'available', l.available,
                   'availableBefore', l.available_before, 'held', l.held,
                   'committed', l.committed, 'safetyStock', l.safety_stock,
                   'qualityControl', l.quality_control, 'damaged', l.damaged, 'incoming', l.incoming),
               p_actor, p_now
          FROM level l JOIN variants v ON v.id = l.variant_id
         ORDER BY l.variant_id, l.location_id
    )
    INSERT INTO stock_movements
           (variant_id, location_id, from_state, to_state, quantity, reason,
            source_kind, source_id, actor, occurred_at)
    SELECT variant, location, source, target, quantity, reason,
           p_source_kind, document, p_actor, p_now
      FROM moves ORDER BY position;
END $$;
