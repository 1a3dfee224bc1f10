-- Two addresses with one key are the same place, however they are written.
CREATE FUNCTION address_key(address jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT md5(regexp_replace(lower(coalesce(address ->> 'line1', '') || coalesce(address ->> 'line2', '')
            || coalesce(address ->> 'postal_code', '') || coalesce(address ->> 'city', '')
            || coalesce(address ->> 'country', '')), '[[:space:][:punct:]]+', '', 'g'))
$$;

-- How many other orders, placed or being paid for, count for each VELOCITY rule of a cart's channel:
-- [[rule, identity, orders], ...]. Each identity is locked until the transaction ends, in one order for
-- everybody, so that two carts of one shopper are never counted without each other. A function, because
-- what is counted must be seen after the wait for the lock: the statement that calls it sees only what
-- was there when it began, while each statement of a volatile function sees what is there by then.
CREATE FUNCTION approval_velocity(
    cart uuid, channel uuid, mail text, address jsonb, client bigint, moment timestamptz
) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    place text := address_key(address);
    found jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(k.number) FROM (
        SELECT DISTINCT hashtextextended(concat_ws(' ', 'order velocity', channel, i.name, i.value), 0) AS number
          FROM (VALUES ('EMAIL', lower(mail)), ('SHIPPING_ADDRESS', place), ('CLIENT_ADDRESS', client::text))
               AS i (name, value)
          JOIN approval_rules r ON r.channel_id = channel AND r.active AND r.kind = 'VELOCITY'
                               AND (r.counted_by IS NULL OR i.name = ANY (r.counted_by))
         WHERE i.value IS NOT NULL
         ORDER BY number) k;
    SELECT jsonb_agg(jsonb_build_array(r.id, i.name, i.orders + (
               SELECT count(*) FROM carts c
                WHERE c.status = 'CHECKOUT' AND c.channel_id = channel AND c.id <> cart
                  AND CASE i.name WHEN 'EMAIL' THEN lower(c.email) = lower(mail)
                                  WHEN 'SHIPPING_ADDRESS' THEN address_key(c.shipping_address) = place
                                  ELSE c.address_number = client END)))
      INTO found
      FROM approval_rules r
     CROSS JOIN LATERAL (SELECT moment - make_interval(mins => r.within_minutes) AS since) w
     CROSS JOIN LATERAL (
        SELECT 'EMAIL' AS name, (
            SELECT count(*) FROM orders o
             WHERE lower(o.email) = lower(mail) AND o.placed_at > w.since
               AND o.channel_id = channel AND NOT o.imported) AS orders
         WHERE mail IS NOT NULL AND (r.counted_by IS NULL OR 'EMAIL' = ANY (r.counted_by))
        UNION ALL
        SELECT 'SHIPPING_ADDRESS', (
            SELECT count(*) FROM orders o
             WHERE address_key(o.shipping_address) = place AND o.placed_at > w.since
               AND o.channel_id = channel AND NOT o.imported)
         WHERE place IS NOT NULL AND (r.counted_by IS NULL OR 'SHIPPING_ADDRESS' = ANY (r.counted_by))
        UNION ALL
        SELECT 'CLIENT_ADDRESS', (
            SELECT count(*) FROM orders o
             WHERE o.client_number = client AND o.client_number IS NOT NULL AND o.placed_at > w.since
               AND o.channel_id = channel)
         WHERE client IS NOT NULL AND (r.counted_by IS NULL OR 'CLIENT_ADDRESS' = ANY (r.counted_by))) i
     WHERE r.channel_id = channel AND r.active AND r.kind = 'VELOCITY';
    RETURN found;
END
$$;
