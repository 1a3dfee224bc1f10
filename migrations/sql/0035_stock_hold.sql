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
-- A cart that is collected holds at the location it is collected at and nowhere else, one whose delivery
-- is chosen where goods are sent from: what it holds elsewhere does not count, and moves there or is short.
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
    a_began timestamptz[]; taken bigint; first_due timestamptz; v_pickup uuid; v_sent boolean;
BEGIN
    SELECT k.pickup_location_id,
           k.pickup_location_id IS NULL AND coalesce(k.delivery_rate_id, k.delivery_quote_id) IS NOT NULL
      INTO v_pickup, v_sent FROM carts k WHERE k.id = p_cart;

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
               CASE WHEN c.rank IS NOT NULL THEN coalesce(h.quantity, 0) + s.available
                    WHEN s.location_id <> v_pickup THEN 0
                    WHEN v_sent AND NOT (SELECT q.ships FROM locations q WHERE q.id = s.location_id) THEN 0
                    ELSE coalesce(h.quantity, 0) END AS reach
          FROM wish l
          JOIN stock_levels s ON s.variant_id = l.variant
          LEFT JOIN (channel_locations c
                     JOIN locations p ON p.id = c.location_id AND p.archived_at IS NULL
                                    AND (p.ships OR NOT v_sent)
                                    AND (v_pickup IS NULL OR p.id = v_pickup))
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
