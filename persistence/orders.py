"""SQL of orders: finding, locking and changing them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.fulfillment import FulfillmentOrder
from domain.orders import Order, OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from persistence.discount_uses import releasing
from persistence.order_parts import PARTS_SQL, OrderParts, parts

RETURN_REFUND = """
    (SELECT coalesce(sum(r.credit_minor + (
                SELECT coalesce(sum(t.amount_minor), 0) FROM payment_transactions t
                 WHERE t.id = ANY (r.transaction_ids)
                   AND (t.status <> 'FAILED' OR t.decline_code = 'recorded_before'))), 0)::bigint
       FROM returns r WHERE r.order_id = o.id)
"""
"""What returns have given back of an order `o`, or ask to be given back; what was refused is not."""
ORDER_COLUMNS = f"""
    o.id, o.number, o.channel_id, o.status, o.payment_status, o.fulfillment_status, o.version,
    o.token_generation, o.email, o.currency, o.shipping_address, o.billing_address, o.delivery,
    o.subtotal_minor, o.shipping_minor, o.tax_minor, o.discount_minor, o.total_minor, o.placed_at,
    o.cart_id, o.reason, o.imported, o.external_id, o.closed_at, o.placed, o.drafted_at, o.note,
    o.tax_included, o.edited_back_minor, {RETURN_REFUND} AS return_refund_minor,
    o.gifts_minor
"""
"""The columns of an order `o` that `order_of` reads."""

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_BY_IDS = text(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id = ANY (:ids)").bindparams(_IDS)
_BY_NUMBER = text(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.number = :number")
_WAITING = text(
    """
    SELECT o.id FROM orders o LEFT JOIN order_reviews r ON r.order_id = o.id
     WHERE o.status = 'PENDING_APPROVAL'
       AND (r.due_at <= :now OR (r.order_id IS NULL AND o.placed_at <= :placed_until))
     ORDER BY o.placed_at, o.id LIMIT :most
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "placed_until")))
# As with carts: subqueries are as of the statement's start, so a row waited for is read again.
_LOCK = text(
    f"""
    SELECT {ORDER_COLUMNS}, {PARTS_SQL}, (SELECT k.version FROM orders k WHERE k.id = o.id) AS seen_version
      FROM orders o WHERE o.id = :id FOR NO KEY UPDATE OF o
    """
)
# An order that came to nothing gives the uses of its discounts back, and what is packed is unpacked.
_RELEASED = releasing(
    "WHERE u.order_id = :id AND u.state = 'USED' AND :status IN ('CANCELED', 'REJECTED', 'EXPIRED')"
)
_SAVE = text(
    f"""
    WITH part AS (
        UPDATE fulfillment_orders f SET status = u.status, version = f.version + 1
          FROM unnest(:part_ids, :part_statuses) AS u (id, status)
         WHERE f.id = u.id AND f.status <> u.status
    ), unpacked AS (
        UPDATE shipments SET status = 'CANCELED', version = version + 1
         WHERE order_id = :id
           AND (status IN ('LABEL_PENDING', 'LABEL_CREATED')
                OR (status = 'AVAILABLE_FOR_PICKUP' AND shipped_at IS NULL))
           AND :status IN ('CANCELED', 'REJECTED', 'EXPIRED')
    ), {_RELEASED}
    UPDATE orders SET status = :status, payment_status = :payment_status,
           fulfillment_status = :fulfillment_status, version = :version, reason = :reason,
           closed_at = :closed_at
     WHERE id = :id
    """
).bindparams(
    bindparam("part_ids", type_=ARRAY(Uuid)),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "closed_at")),
    bindparam("part_statuses", type_=ARRAY(Text)),
)


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Order]:
    """Return orders by id."""
    return {row.id: order_of(row) for row in await connection.execute(_BY_IDS, {"ids": list(ids)})}


async def by_number(connection: AsyncConnection, number: str) -> Order | None:
    """Return the order with this human number."""
    row = (await connection.execute(_BY_NUMBER, {"number": number})).first()
    return order_of(row) if row else None


async def overdue(
    connection: AsyncConnection, *, now: datetime, placed_until: datetime, most: int
) -> list[UUID]:
    """Return orders that nobody has approved by when it was due, the oldest first.

    Where no review says when (a process of an older version placed it), by when it was placed.
    """
    rows = await connection.execute(_WAITING, {"now": now, "placed_until": placed_until, "most": most})
    return [row.id for row in rows]


async def lock(connection: AsyncConnection, order_id: UUID) -> tuple[Order, OrderParts] | None:
    """Lock an order and return it with its parts; None when there is none."""
    while True:
        row = (await connection.execute(_LOCK, {"id": order_id})).first()
        if row is None or row.version == row.seen_version:
            return (order_of(row), parts(row)) if row else None


async def save(
    connection: AsyncConnection,
    order: Order,
    fulfillment_orders: Sequence[FulfillmentOrder] = (),
) -> None:
    """Write a locked order's statuses, and those of its fulfillment orders."""
    await connection.execute(
        _SAVE,
        {
            "id": order.id,
            "status": order.status.value,
            "payment_status": order.payment_status.value,
            "fulfillment_status": order.fulfillment_status.value,
            "version": order.version,
            "reason": order.reason,
            "closed_at": order.closed_at,
            # An order that comes to nothing is closed by that, and its discounts are free from then on.
            "now": order.closed_at,
            "part_ids": [part.id for part in fulfillment_orders],
            "part_statuses": [part.status.value for part in fulfillment_orders],
        },
    )


def order_of(row: Row[*tuple[Any, ...]]) -> Order:
    """Return the order of a row with the orders' columns."""
    return Order(
        id=row.id,
        number=row.number,
        channel_id=row.channel_id,
        status=OrderStatus(row.status),
        payment_status=OrderPaymentStatus(row.payment_status),
        fulfillment_status=OrderFulfillmentStatus(row.fulfillment_status),
        version=row.version,
        token_generation=row.token_generation,
        email=row.email,
        currency=row.currency,
        shipping_address=Address.from_json(row.shipping_address),
        billing_address=Address.from_json(row.billing_address) if row.billing_address else None,
        delivery=row.delivery,
        subtotal_minor=row.subtotal_minor,
        shipping_minor=row.shipping_minor,
        tax_minor=row.tax_minor,
        discount_minor=row.discount_minor,
        total_minor=row.total_minor,
        placed_at=row.placed_at,
        cart_id=row.cart_id,
        reason=row.reason,
        imported=row.imported,
        external_id=row.external_id,
        closed_at=row.closed_at,
        tax_included=row.tax_included,
        placed=row.placed,
        drafted_at=row.drafted_at,
        note=row.note,
        edited_back_minor=row.edited_back_minor,
        return_refund_minor=row.return_refund_minor,
        gifts_minor=row.gifts_minor,
    )
