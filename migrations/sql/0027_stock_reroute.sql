-- Move units committed to an order to other levels, all or nothing: p_deltas are the units that each
-- level gains (below zero: loses). Returns whether it was done.
--
-- Levels that lose were locked by the same transaction when they were committed; those that gain may come
-- before them in the order of locks. So nobody is waited for: a level that another transaction has locked,
-- or that has too little, means that everything stays where it is.
CREATE FUNCTION stock_reroute(
    p_variants uuid[], p_locations uuid[], p_deltas int[], p_order uuid, p_actor text, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    ready int;
BEGIN
    SELECT count(*) INTO ready FROM (
        SELECT s.id FROM stock_levels s
          JOIN unnest(p_variants, p_locations, p_deltas) AS u (variant, location, delta)
            ON u.variant = s.variant_id AND u.location = s.location_id
         WHERE s.available >= u.delta AND s.committed >= -u.delta
         ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE OF s SKIP LOCKED) locked;
    IF ready < cardinality(p_deltas) THEN RETURN false; END IF;

    PERFORM stock_apply(
        p_variants, p_locations,
        array_agg(CASE WHEN u.delta > 0 THEN 'available' ELSE 'committed' END ORDER BY u.position),
        array_agg(CASE WHEN u.delta > 0 THEN 'committed' ELSE 'available' END ORDER BY u.position),
        array_agg(abs(u.delta) ORDER BY u.position),
        array_fill('ROUTED'::text, ARRAY[cardinality(p_deltas)]), 'order',
        array_fill(p_order, ARRAY[cardinality(p_deltas)]), p_actor, p_now)
      FROM unnest(p_deltas) WITH ORDINALITY AS u (delta, position);
    RETURN true;
END $$;
