"""A shop of two years in SQL: orders that were sent, what came back of them, claims and refunds.

Written by sets, not by the product: only its numbers matter here. Everything is in the order of its time,
as it is where a shop grew, and what is looked up is spread over all of it.
"""

import asyncpg

DAYS = 730
"""How long the shop has been open."""
CHANNELS, SUPPLIERS, ORDERS_A_PRODUCT = 3, 40, 20

# $1 stands for how many orders there are, $2 for how many products; the n-th order was placed so long ago.
_AGO = f"make_interval(secs => (1 - n::float8 / $1) * {DAYS} * 86400)"
_ADDRESS = "jsonb_build_object('name', 'A Buyer', 'line1', n || ' Street', 'country', 'US')"
# Three lines an order; products are bought as they are in shops: few of them often.
_PRODUCT_OF = "1 + floor($2 * power(abs(hashint8(n * 7 + position)) / 2147483648.0, 2))::int"
_STATEMENTS = (
    f"""
    INSERT INTO channels (id, slug, name, currency, created_at)
    SELECT uuidv7(), 'channel-' || n, 'Channel ' || n, (ARRAY['USD', 'EUR', 'GBP'])[n], now()
      FROM generate_series(1, {CHANNELS}) n
    """,
    """
    INSERT INTO locations (id, code, name, created_at)
    SELECT uuidv7(), 'PLACE' || n, 'Place ' || n, now() FROM generate_series(1, 3) n
    """,
    """
    WITH made AS (
        INSERT INTO products (id, name, created_at)
        SELECT uuidv7(), 'Product ' || n, now() FROM generate_series(1, $2) n
        RETURNING id, name
    )
    INSERT INTO variants (id, product_id, sku, name, created_at)
    SELECT uuidv7(), id, 'SKU-' || substr(name, 9) || '-' || size, name || ' ' || size, now()
      FROM made, unnest(ARRAY['S', 'L']) AS size
    """,
    f"""
    INSERT INTO suppliers (id, code, name, created_at)
    SELECT uuidv7(), 'SUPPLIER-' || n, 'Supplier ' || n, now() FROM generate_series(1, {SUPPLIERS}) n
    """,
    # Of every tenth article nobody says where it is bought.
    f"""
    UPDATE variants v SET supplier_id = s.id FROM suppliers s
     WHERE split_part(v.sku, '-', 2)::int % 10 > 0
       AND s.code = 'SUPPLIER-' || 1 + split_part(v.sku, '-', 2)::int % {SUPPLIERS}
    """,
    f"""
    CREATE TEMPORARY TABLE sold AS
    SELECT n, uuidv7(-{_AGO}) AS id, now() - {_AGO} AS at, uuidv7(-{_AGO}) AS part, uuidv7(-{_AGO}) AS parcel,
           c.id AS channel_id, c.currency, l.id AS location_id
      FROM generate_series(1, $1) n
      JOIN (SELECT *, row_number() OVER (ORDER BY slug) AS place FROM channels) c ON c.place = 1 + n % 3
      JOIN (SELECT *, row_number() OVER (ORDER BY code) AS place FROM locations) l ON l.place = 1 + n / 3 % 3
    """,
    f"""
    INSERT INTO orders (id, number, channel_id, status, payment_status, fulfillment_status, email,
           currency, shipping_address, subtotal_minor, shipping_minor, tax_minor, discount_minor,
           total_minor, placed_at)
    SELECT id, (100000 + n)::text, channel_id, 'COMPLETED', 'PAID', 'DELIVERED',
           'buyer' || n % 30000 || '@example.com', currency, {_ADDRESS}, 6000, 0, 0, 0, 6000, at
      FROM sold ORDER BY n
    """,
    f"""
    CREATE TEMPORARY TABLE sold_lines AS
    SELECT uuidv7(-{_AGO}) AS id, n, s.id AS order_id, s.parcel, position, v.id AS variant_id, v.sku, v.name
      FROM sold s CROSS JOIN generate_series(1, 3) position
      JOIN (SELECT id, sku, name, split_part(sku, '-', 2)::int AS product FROM variants
             WHERE sku LIKE '%S') v ON v.product = {_PRODUCT_OF}
    """,
    """
    INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, unit_price_minor, total_minor,
           quantity_shipped, position)
    SELECT id, order_id, variant_id, sku, name, 2, 1000, 2000, 2, position
      FROM sold_lines ORDER BY n, position
    """,
    """
    INSERT INTO fulfillment_orders (id, order_id, location_id, status, created_at)
    SELECT part, id, location_id, 'CLOSED', at FROM sold ORDER BY n
    """,
    """
    INSERT INTO shipments (id, order_id, fulfillment_order_id, status, carrier, shipped_at, delivered_at,
           location_id, created_at)
    SELECT parcel, id, part, 'DELIVERED', 'Bench Post', at + interval '1 day', at + interval '3 days',
           location_id, at
      FROM sold ORDER BY n
    """,
    """
    INSERT INTO shipment_lines (shipment_id, order_line_id, sku, quantity)
    SELECT parcel, id, sku, 2 FROM sold_lines ORDER BY n, position
    """,
    """
    INSERT INTO payments (id, order_id, provider, method, status, currency, amount_minor, authorized_minor,
           captured_minor, refunded_minor, created_at)
    SELECT uuidv7(at - now()), id, 'sandbox', 'card', 'CAPTURED', currency, 6000, 6000, 6000,
           CASE WHEN n % 5 = 0 THEN 2000 ELSE 0 END, at
      FROM sold ORDER BY n
    """,
    # A fifth comes back, asked for ten days after it was bought; what is older than a month is over.
    """
    CREATE TEMPORARY TABLE back AS
    SELECT n, uuidv7(at + interval '10 days' - now()) AS id, id AS order_id, channel_id, currency,
           location_id, at + interval '10 days' AS at,
           CASE WHEN at < now() - interval '40 days'
                THEN (ARRAY['DECLINED', 'CANCELED'] || array_fill('CLOSED'::text, ARRAY[13]))[1 + n / 5 % 15]
                ELSE (ARRAY['REQUESTED', 'APPROVED', 'IN_TRANSIT', 'PARTIALLY_RECEIVED', 'RECEIVED',
                            'INSPECTED', 'CLOSED', 'CLOSED'])[1 + n / 5 % 8] END AS status,
           uuidv7() AS money
      FROM sold WHERE n % 5 = 0 AND at < now() - interval '10 days'
    """,
    """
    INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
           next_attempt_at, settled_at)
    SELECT money, p.id, 'REFUND', CASE WHEN b.status = 'CLOSED' THEN 'SUCCEEDED' ELSE 'FAILED' END, 2000,
           b.at, b.at, b.at
      FROM back b JOIN payments p ON p.order_id = b.order_id
     WHERE b.status IN ('CLOSED', 'INSPECTED') ORDER BY n
    """,
    """
    INSERT INTO returns (id, number, order_id, channel_id, status, wish, created_by, location_id,
           refund_minor, transaction_ids, created_at, expires_at, decided_at, closed_at, verdict,
           refund_verdict)
    SELECT id, 'R' || n, order_id, channel_id, status, 'REFUND', 'anonymous',
           CASE WHEN status NOT IN ('REQUESTED', 'APPROVED', 'IN_TRANSIT', 'DECLINED', 'CANCELED')
                THEN location_id END,
           CASE WHEN status = 'CLOSED' THEN 2000 ELSE 0 END,
           CASE WHEN status IN ('CLOSED', 'INSPECTED') AND n % 10 = 0 THEN ARRAY[money] ELSE '{}' END, at,
           at + interval '30 days', at,
           CASE WHEN status IN ('CLOSED', 'DECLINED', 'CANCELED')
                THEN at + make_interval(days => 3 + n / 5 % 12) END,
           '{"decision": "APPROVE", "findings": []}',
           CASE WHEN status IN ('CLOSED', 'INSPECTED')
                THEN '{"decision": "ASK_STAFF", "findings": []}'::jsonb END
      FROM back ORDER BY n
    """,
    """
    INSERT INTO return_lines (id, return_id, order_line_id, variant_id, sku, quantity, reason,
           quantity_received, outcome, refund_minor)
    SELECT uuidv7(b.at - now()), b.id, s.id, s.variant_id, s.sku, 2,
           (ARRAY['SIZE', 'SIZE', 'CHANGED_MIND', 'DEFECTIVE', 'NOT_AS_DESCRIBED', 'OTHER'])
               [1 + (b.n / 5 + s.position) % 6],
           CASE b.status WHEN 'CLOSED' THEN 2 WHEN 'INSPECTED' THEN 2 WHEN 'RECEIVED' THEN 2
                WHEN 'PARTIALLY_RECEIVED' THEN 1 ELSE 0 END,
           CASE WHEN b.status = 'CLOSED' THEN 'REFUNDED' END,
           CASE WHEN b.status = 'CLOSED' THEN 1000 ELSE 0 END
      FROM back b JOIN sold_lines s ON s.n = b.n AND s.position <> 1 + b.n / 5 % 3
     ORDER BY b.n, s.position
    """,
    """
    INSERT INTO return_inspections (id, return_line_id, quantity, disposition, grade, at)
    SELECT uuidv7(), l.id, 1, CASE WHEN unit = 2 AND abs(hashint8(b.n)) % 4 = 0 THEN 'NOT_RESTOCKED'
                                   ELSE 'RESTOCKED' END, 'AS_NEW', b.at
      FROM back b JOIN return_lines l ON l.return_id = b.id CROSS JOIN generate_series(1, 2) unit
     WHERE b.status IN ('CLOSED', 'INSPECTED') ORDER BY b.n
    """,
    """
    INSERT INTO return_parcels (id, return_id, source, status, label_state, tracking_number, created_at)
    SELECT uuidv7(), id, 'OWN', CASE WHEN status = 'CLOSED' THEN 'DELIVERED' ELSE 'IN_TRANSIT' END,
           'NONE', 'T' || n, at
      FROM back WHERE status NOT IN ('REQUESTED', 'DECLINED') ORDER BY n
    """,
    # Every tenth parcel is claimed, every other one of these charged to its carrier.
    """
    INSERT INTO claims (id, number, order_id, shipment_id, kind, status, wish, outcome, created_by,
           created_at, decided_at)
    SELECT uuidv7(at + interval '5 days' - now()), 'C' || n, id, parcel, 'DAMAGED',
           CASE WHEN n + 500 > $1 THEN 'REQUESTED' WHEN n % 30 = 0 THEN 'DECLINED' ELSE 'APPROVED' END,
           'REFUND', CASE WHEN n + 500 <= $1 AND n % 30 <> 0 THEN 'REFUND' END, 'anonymous',
           at + interval '5 days', CASE WHEN n + 500 <= $1 THEN at + interval '6 days' END
      FROM sold WHERE n % 10 = 0 ORDER BY n
    """,
    """
    INSERT INTO claim_lines (id, claim_id, order_line_id, sku, quantity)
    SELECT uuidv7(), c.id, l.id, l.sku, 1 FROM claims c JOIN sold_lines l ON l.order_id = c.order_id
     WHERE l.position = 1
    """,
    """
    INSERT INTO carrier_claims (claim_id, carrier, currency, amount_minor, paid_minor, charged_at, settled_at)
    SELECT c.id, 'Bench Post ' || n % 4, currency, 1000, CASE WHEN n % 3 = 0 THEN 900 END,
           c.created_at, CASE WHEN n % 3 = 0 THEN c.created_at END
      FROM claims c JOIN sold s ON s.id = c.order_id WHERE c.status = 'APPROVED' AND n % 20 = 0
    """,
    """
    INSERT INTO unlinked_refunds (id, number, channel_id, currency, status, email, reason,
           document_reference, document_key, keeps_items, created_by, total_minor, paid_minor, method,
           created_at, paid_at)
    SELECT uuidv7(at - now()), 'U' || n, channel_id, currency,
           CASE WHEN n + 1000 > $1 THEN 'PENDING_APPROVAL' ELSE 'PAID' END, 'a@example.com', 'too old',
           'receipt ' || n, 'receipt ' || n, true, 'staff', 2000,
           CASE WHEN n + 1000 > $1 THEN 0 ELSE 2000 END, NULL, at, CASE WHEN n + 1000 <= $1 THEN at END
      FROM sold WHERE n % 10 = 1 ORDER BY n
    """,
    """
    INSERT INTO unlinked_refund_lines (id, unlinked_refund_id, variant_id, sku, quantity, unit_price_minor,
           tax_minor)
    SELECT uuidv7(), r.id, NULL, 'OLD', 2, 1000, 0 FROM unlinked_refunds r
    """,
)


async def fill(url: str, orders: int) -> None:
    """Write a shop's two years into a migrated, empty database."""
    products = max(SUPPLIERS, orders // ORDERS_A_PRODUCT)
    database = await asyncpg.connect(url)
    try:
        for statement in _STATEMENTS:
            await database.execute(statement.replace("$1", str(orders)).replace("$2", str(products)))
        await database.execute("VACUUM ANALYZE")
    finally:
        await database.close()
