-- The stock functions that lock, as they are since revision 0013 (stock_apply is as in 0003).
--
-- Rules that all of them keep:
-- * The caller has locked its aggregates (cart, order). Levels are locked after them, in one order:
--   variant id, location id. Levels are never locked twice in different orders in one transaction
--   by one call each; a caller with several calls names levels that the first of them has locked.
-- * Locks are FOR NO KEY UPDATE: nobody changes a key, and a foreign key's check (FOR KEY SHARE)
--   need not wait for those who change a count.
-- * Who decides on a level reads it in the statement that locks it (READ COMMITTED gives the
--   newest version of a row that was waited for), or in a later one.
-- * A change of level, its ledger rows and its event are written by one statement.

-- Move stock between states, all movements or none. Levels that do not exist are made.
-- Returns nothing when done; otherwise one row for each state that would go below zero,
-- with the units it has (nothing was changed then).
CREATE OR REPLACE FUNCTION stock_move(
    p_variants uuid[], p_locations uuid[], p_from text[], p_to text[], p_quantities int[],
    p_reasons text[], p_source_kind text, p_source_id uuid, p_actor text, p_now timestamptz
) RETURNS TABLE (short_variant uuid, short_location uuid, short_state text, wanted int, present int)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock_levels (id, variant_id, location_id)
    SELECT gen_random_uuid(), m.variant, m.location
      FROM (SELECT DISTINCT * FROM unnest(p_variants, p_locations) AS u (variant, location)) m
     WHERE NOT EXISTS (SELECT FROM stock_levels s
                        WHERE s.variant_id = m.variant AND s.location_id = m.location)
     ORDER BY m.variant, m.location
    ON CONFLICT DO NOTHING;

    PERFORM 1 FROM stock_levels s
      WHERE (s.variant_id, s.location_id) IN (SELECT * FROM unnest(p_variants, p_locations))
      ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE;

    RETURN QUERY
    WITH flow AS (
        SELECT variant, location, state, sum(quantity)::int AS quantity FROM (
            SELECT variant, location, source AS state, -quantity AS quantity
              FROM unnest(p_variants, p_locations, p_from, p_quantities)
                   AS m (variant, location, source, quantity)
            UNION ALL
            SELECT variant, location, target, quantity
              FROM unnest(p_variants, p_locations, p_to, p_quantities)
                   AS m (variant, location, target, quantity)) both_ways
         GROUP BY variant, location, state HAVING sum(quantity) < 0
    ), present AS (
        SELECT f.*, CASE f.state
                    WHEN 'available' THEN s.available WHEN 'held' THEN s.held
                    WHEN 'committed' THEN s.committed WHEN 'safety_stock' THEN s.safety_stock
                    WHEN 'quality_control' THEN s.quality_control WHEN 'damaged' THEN s.damaged
                    WHEN 'incoming' THEN s.incoming END AS units
          FROM flow f JOIN stock_levels s ON s.variant_id = f.variant AND s.location_id = f.location
    )
    SELECT p.variant, p.location, p.state, -p.quantity, p.units
      FROM present p WHERE p.units + p.quantity < 0 ORDER BY p.variant, p.location, p.state;
    IF FOUND THEN RETURN; END IF;

    PERFORM stock_apply(p_variants, p_locations, p_from, p_to, p_quantities, p_reasons, p_source_kind,
                        array_fill(p_source_id, ARRAY[cardinality(p_variants)]), p_actor, p_now);
END $$;

-- Make the holds of a cart's lines exactly p_targets units (0 releases), taking from the
-- channel's locations in their order of preference, always on the quantity still missing (10
-- from 6 and 20 takes 6 and 4). A line's own holds count as available to it; what it holds where
-- the channel no longer sells from moves elsewhere, as far as there is stock. Extends every hold of
-- the cart to p_expires, never past its start + p_max (null: no maximum). All lines or none: a row
-- where present < wanted means short, and then nothing was changed. A line and a variant may be
-- named once.
--
-- held_at is when the cart began to hold the variant, whatever line, place or row it was held by
-- since; it begins anew only after the cart held none for as long as a hold lasts (p_expires -
-- p_now). A line whose maximum is over rests until then: it has to be in stock, but holds nothing.
--
-- Its plans are made once a connection and must suit one line and 1,500, ten holds and a million:
-- subqueries that cannot be joined otherwise (OFFSET 0, min) keep each lookup on its index.
CREATE OR REPLACE FUNCTION stock_hold(
    p_cart uuid, p_channel uuid, p_lines uuid[], p_variants uuid[], p_targets int[],
    p_expires timestamptz, p_max interval, p_actor text, p_now timestamptz
) RETURNS TABLE (line uuid, variant uuid, wanted int, present int, expires timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    a_hold uuid[]; a_line uuid[]; a_variant uuid[]; a_location uuid[]; a_own int[]; a_take int[];
    a_began timestamptz[]; taken bigint; first_due timestamptz;
BEGIN
    WITH wish AS MATERIALIZED (
        SELECT l.line, l.variant, l.target, (
               SELECT min(o.held_at) FROM (
                   SELECT o.held_at FROM holds o WHERE o.cart_line_id = l.line AND o.ended_at IS NULL
                   UNION ALL
                   SELECT o.held_at FROM holds o
                    WHERE o.cart_id = p_cart AND o.variant_id = l.variant
                      AND o.status IN ('RELEASED', 'EXPIRED') AND o.ended_at > p_now - (p_expires - p_now)
                      AND o.expires_at > p_now - (p_expires - p_now)) o) AS began
          FROM unnest(p_lines, p_variants, p_targets) AS l (line, variant, target)
    ), spot AS MATERIALIZED (
        -- Locks only what is decided on: levels of the lines' variants that the channel sells
        -- from or that hold for these lines.
        SELECT l.line, l.variant, l.target, l.began, s.location_id AS location, c.rank, h.id AS hold,
               coalesce(h.quantity, 0) AS own,
               coalesce(h.quantity, 0)
                   + CASE WHEN c.rank IS NULL THEN 0 ELSE s.available END AS reach
          FROM wish l
          JOIN stock_levels s ON s.variant_id = l.variant
          LEFT JOIN (channel_locations c
                     JOIN locations p ON p.id = c.location_id AND p.archived_at IS NULL)
            ON c.channel_id = p_channel AND c.location_id = s.location_id
          LEFT JOIN LATERAL (
               SELECT o.id, o.quantity FROM holds o
                WHERE o.cart_line_id = l.line AND o.location_id = s.location_id AND o.ended_at IS NULL
               OFFSET 0) h ON true
         WHERE c.rank IS NOT NULL OR h.quantity IS NOT NULL
         ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE OF s
    ), plan AS (
        SELECT p.*, greatest(0, least(p.reach, p.target - p.before))::int AS take FROM (
            SELECT spot.*, coalesce(sum(spot.reach) OVER (
                       PARTITION BY spot.line ORDER BY spot.rank NULLS LAST, spot.location
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
              FROM spot) p
    )
    SELECT array_agg(p.hold), array_agg(p.line), array_agg(p.variant), array_agg(p.location),
           array_agg(p.own), array_agg(p.take), array_agg(p.began), sum(p.take)
      INTO a_hold, a_line, a_variant, a_location, a_own, a_take, a_began, taken
      FROM plan p WHERE p.own > 0 OR p.take > 0;

    IF coalesce(taken, 0) < (SELECT sum(u) FROM unnest(p_targets) AS u) THEN
        RETURN QUERY
        SELECT u.line, u.variant, max(u.target), sum(u.take)::int, NULL::timestamptz
          FROM (SELECT l.line, l.variant, l.target, 0 AS take
                  FROM unnest(p_lines, p_variants, p_targets) AS l (line, variant, target)
                UNION ALL
                SELECT t.line, t.variant, 0, t.take
                  FROM unnest(a_line, a_variant, a_take) AS t (line, variant, take)) u
         GROUP BY u.line, u.variant HAVING sum(u.take) < max(u.target);
        RETURN;
    END IF;

    IF p_now - p_max >= ANY (a_began) THEN
        SELECT array_agg(u.hold), array_agg(u.line), array_agg(u.variant), array_agg(u.location),
               array_agg(u.own), array_agg(CASE WHEN u.rests THEN 0 ELSE u.take END),
               array_agg(u.began), sum(CASE WHEN u.rests THEN 0 ELSE u.take END)
          INTO a_hold, a_line, a_variant, a_location, a_own, a_take, a_began, taken
          FROM (SELECT t.*, coalesce(t.began <= p_now - p_max, false) AS rests
                  FROM unnest(a_hold, a_line, a_variant, a_location, a_own, a_take, a_began)
                       AS t (hold, line, variant, location, own, take, began)) u
         WHERE u.own > 0 OR NOT u.rests;
    END IF;

    -- Renewing never takes time away: what the till was given past the maximum stays until it ends.
    UPDATE holds h SET expires_at = greatest(h.expires_at, least(p_expires, h.held_at + p_max))
     WHERE h.cart_id = p_cart AND h.status = 'HELD';
    IF 0 < ANY (a_own) THEN
        UPDATE holds h
           SET quantity = CASE WHEN u.take > 0 THEN u.take ELSE h.quantity END,
               status = CASE WHEN u.take > 0 THEN 'HELD' ELSE 'RELEASED' END,
               ended_at = CASE WHEN u.take > 0 THEN NULL ELSE p_now END
          FROM unnest(a_hold, a_own, a_take) AS u (hold, own, take)
         WHERE h.id = u.hold AND u.own <> u.take;
    END IF;
    IF 0 = ANY (a_own) THEN
        INSERT INTO holds (id, cart_id, cart_line_id, variant_id, location_id, quantity, status,
                           held_at, expires_at)
        SELECT gen_random_uuid(), p_cart, u.line, u.variant, u.location, u.take, 'HELD',
               coalesce(u.began, p_now), least(p_expires, coalesce(u.began, p_now) + p_max)
          FROM unnest(a_line, a_variant, a_location, a_own, a_take, a_began)
               AS u (line, variant, location, own, take, began)
         WHERE u.own = 0;
    END IF;
    IF a_own <> a_take THEN
        PERFORM stock_apply(
            array_agg(u.variant), array_agg(u.location),
            array_agg(CASE WHEN u.take > u.own THEN 'available' ELSE 'held' END),
            array_agg(CASE WHEN u.take > u.own THEN 'held' ELSE 'available' END),
            array_agg(abs(u.take - u.own)),
            array_agg(CASE WHEN u.take > u.own THEN 'CART_HOLD' ELSE 'CART_RELEASE' END),
            'cart', array_agg(p_cart), p_actor, p_now)
          FROM unnest(a_variant, a_location, a_own, a_take) AS u (variant, location, own, take)
         WHERE u.take <> u.own;
    END IF;

    RETURN QUERY
    SELECT l.line, l.variant, l.target, l.target, h.ends
      FROM unnest(p_lines, p_variants, p_targets) AS l (line, variant, target)
     CROSS JOIN LATERAL (SELECT min(o.expires_at) AS ends FROM holds o
                          WHERE o.cart_line_id = l.line AND o.ended_at IS NULL) h;

    -- The sweep looks at a cart no later than when its first hold can end; renewing leaves the
    -- mark where it is (the sweep then moves it), so that it is written once for most carts.
    first_due := least(p_expires, (SELECT min(coalesce(u, p_now)) FROM unnest(a_began) AS u) + p_max);
    UPDATE carts SET holds_due_at = first_due
     WHERE id = p_cart AND (holds_due_at IS NULL OR holds_due_at > first_due) AND taken > 0;
END $$;

-- Expire the due holds of up to p_limit carts (those another transaction has locked wait for the
-- next sweep) and put their units back on sale. Returns what expired, by cart line.
CREATE OR REPLACE FUNCTION stock_expire_holds(p_limit int, p_actor text, p_now timestamptz)
RETURNS TABLE (cart uuid, line uuid, variant uuid, sku text, quantity int) LANGUAGE plpgsql AS $$
DECLARE
    a_cart uuid[]; a_by uuid[]; a_line uuid[]; a_variant uuid[]; a_location uuid[]; a_quantity int[];
BEGIN
    SELECT array_agg(locked.id) INTO a_cart FROM (
        SELECT c.id FROM carts c
         WHERE c.id IN (SELECT d.id FROM carts d
                         WHERE d.holds_due_at <= p_now AND d.status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')
                         ORDER BY d.holds_due_at LIMIT p_limit)
         ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED) locked;
    IF a_cart IS NULL THEN RETURN; END IF;

    WITH due AS MATERIALIZED (
        SELECT h.id, h.cart_id, h.cart_line_id, h.variant_id, h.location_id, h.quantity
          FROM holds h JOIN stock_levels s ON s.variant_id = h.variant_id AND s.location_id = h.location_id
         WHERE h.cart_id = ANY (a_cart) AND h.status = 'HELD' AND h.expires_at <= p_now
         ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE OF s
    ), ended AS (
        UPDATE holds h SET status = 'EXPIRED', ended_at = p_now FROM due WHERE h.id = due.id
        RETURNING due.*
    )
    SELECT array_agg(e.cart_id), array_agg(e.cart_line_id), array_agg(e.variant_id),
           array_agg(e.location_id), array_agg(e.quantity)
      INTO a_by, a_line, a_variant, a_location, a_quantity FROM ended e;

    UPDATE carts c SET holds_due_at = (SELECT min(h.expires_at) FROM holds h
                                        WHERE h.cart_id = c.id AND h.status = 'HELD')
     WHERE c.id = ANY (a_cart);
    IF a_line IS NULL THEN RETURN; END IF;

    PERFORM stock_apply(
        a_variant, a_location,
        array_fill('held'::text, ARRAY[cardinality(a_line)]),
        array_fill('available'::text, ARRAY[cardinality(a_line)]), a_quantity,
        array_fill('HOLD_EXPIRED'::text, ARRAY[cardinality(a_line)]), 'cart', a_by, p_actor, p_now);

    RETURN QUERY
    SELECT u.cart, u.line, u.variant, v.sku, sum(u.quantity)::int
      FROM unnest(a_by, a_line, a_variant, a_quantity) AS u (cart, line, variant, quantity)
      JOIN variants v ON v.id = u.variant
     GROUP BY u.cart, u.line, u.variant, v.sku;
END $$;

-- Turn every hold of a cart into stock committed to its order. Returns what was committed where;
-- the caller compares it with the lines (a hold may have expired) and secures the rest, by
-- stock_hold and this function again in the same transaction.
CREATE OR REPLACE FUNCTION stock_commit_holds(p_cart uuid, p_order uuid, p_actor text, p_now timestamptz)
RETURNS TABLE (line uuid, variant uuid, location uuid, quantity int) LANGUAGE plpgsql AS $$
DECLARE
    a_line uuid[]; a_variant uuid[]; a_location uuid[]; a_quantity int[];
BEGIN
    -- What is not held whole is secured by the next call, maybe at a level that comes before those
    -- of the live holds: then every level of the cart's variants is locked now, in the one order.
    IF EXISTS (SELECT FROM cart_lines l
                WHERE l.cart_id = p_cart
                  AND l.quantity > (SELECT coalesce(sum(h.quantity), 0) FROM holds h
                                     WHERE h.cart_line_id = l.id AND h.ended_at IS NULL)) THEN
        PERFORM 1 FROM stock_levels s
          WHERE s.variant_id IN (SELECT l.variant_id FROM cart_lines l WHERE l.cart_id = p_cart)
          ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE;
    END IF;

    WITH mine AS MATERIALIZED (
        SELECT h.id, h.cart_line_id, h.variant_id, h.location_id, h.quantity
          FROM holds h JOIN stock_levels s ON s.variant_id = h.variant_id AND s.location_id = h.location_id
         WHERE h.cart_id = p_cart AND h.status = 'HELD'
         ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE OF s
    ), ended AS (
        UPDATE holds h SET status = 'CONVERTED', ended_at = p_now FROM mine WHERE h.id = mine.id
        RETURNING mine.*
    )
    SELECT array_agg(e.cart_line_id), array_agg(e.variant_id), array_agg(e.location_id),
           array_agg(e.quantity)
      INTO a_line, a_variant, a_location, a_quantity FROM ended e;
    IF a_line IS NULL THEN RETURN; END IF;

    PERFORM stock_apply(
        a_variant, a_location,
        array_fill('held'::text, ARRAY[cardinality(a_line)]),
        array_fill('committed'::text, ARRAY[cardinality(a_line)]), a_quantity,
        array_fill('ORDER_PLACED'::text, ARRAY[cardinality(a_line)]), 'order',
        array_fill(p_order, ARRAY[cardinality(a_line)]), p_actor, p_now);

    RETURN QUERY
    SELECT u.line, u.variant, u.location, u.quantity
      FROM unnest(a_line, a_variant, a_location, a_quantity) AS u (line, variant, location, quantity);
END $$;
