"""SQL of holds of fulfillment orders: putting and releasing them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fulfillment import FulfillmentHold, FulfillmentOrder
from persistence.orders import RETURN_REFUND

_ADD = text(
    """
    INSERT INTO order_holds (id, order_id, fulfillment_order_id, kind, of_review, code, note, created_by,
           created_at)
    VALUES (:id, :order_id, :part_id, :kind, :of_review, :code, :note, :created_by, :now)
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("code", type_=Text()),
    bindparam("note", type_=Text()),
)
_RELEASE = text(
    """
    UPDATE order_holds SET released_by = :actor, released_at = :now, release_note = :note
     WHERE id = ANY (:ids) AND released_at IS NULL
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("note", type_=Text()),
)
_PLACE_OF_HOLD = text("SELECT order_id, fulfillment_order_id FROM order_holds WHERE id = :id")
# As `domain/order_edits.is_paid_for` has it: the status of an order that was edited does not tell, since what
# was given back then is no longer owed.
_PAID = text(
    f"""
    SELECT DISTINCT h.order_id FROM order_holds h JOIN orders o ON o.id = h.order_id
     WHERE h.code = 'UNPAID' AND h.released_at IS NULL AND o.status IN ('OPEN', 'PENDING_APPROVAL')
       AND (o.payment_status <> 'PENDING' OR o.total_minor = 0)
       AND greatest(0, o.total_minor - {RETURN_REFUND} - o.gifts_minor) <= (
           SELECT coalesce(sum(greatest(p.authorized_minor - p.voiding_minor, p.captured_minor)
                               - p.refunded_minor - p.refunding_minor - p.charged_back_minor
                               - p.credited_minor), 0)
             FROM payments p WHERE p.order_id = o.id AND p.status NOT IN ('VOIDED', 'FAILED'))
     ORDER BY h.order_id LIMIT :most
    """
)


async def add(
    connection: AsyncConnection, part: FulfillmentOrder, hold: FulfillmentHold, now: datetime
) -> None:
    """Put a hold on a fulfillment order of a locked order."""
    values = {
        "id": hold.id,
        "order_id": part.order_id,
        "part_id": part.id,
        "kind": hold.kind.value,
        "of_review": hold.of_review,
        "code": hold.code,
        "note": hold.note,
        "created_by": hold.created_by,
        "now": now,
    }
    await connection.execute(_ADD, values)


async def release(
    connection: AsyncConnection, hold_ids: Sequence[UUID], *, actor: str, note: str | None, now: datetime
) -> None:
    """Release holds of a locked order."""
    values = {"ids": list(hold_ids), "actor": actor, "note": note, "now": now}
    await connection.execute(_RELEASE, values)


async def place_of_hold(connection: AsyncConnection, hold_id: UUID) -> tuple[UUID, UUID] | None:
    """Return the order and the fulfillment order that a hold, released or not, is of."""
    row = (await connection.execute(_PLACE_OF_HOLD, {"id": hold_id})).first()
    return None if row is None else (row.order_id, row.fulfillment_order_id)


async def paid(connection: AsyncConnection, most: int) -> list[UUID]:
    """Return orders that still wait for money that has come."""
    return [row.order_id for row in await connection.execute(_PAID, {"most": most})]


def records(parts: Sequence[FulfillmentOrder]) -> list[dict[str, Any]]:
    """Return the holds of parts as statements that write several take them, to be packed as JSON."""
    return [
        {
            "id": hold.id,
            "fulfillment_order_id": part.id,
            "kind": hold.kind,
            "of_review": hold.of_review,
            "code": hold.code,
            "created_by": hold.created_by,
        }
        for part in parts
        for hold in part.holds
    ]
