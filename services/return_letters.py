"""What letters of returns say, read for many of them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import NotFound
from domain.notifications import Notification
from domain.orders import Order
from domain.return_adjustments import said_of
from domain.return_letters import ReturnLetter, return_letter
from persistence import locations, payment_changes, return_parcels, return_shipping, returns
from persistence.order_parts import OrderParts
from services import exchange_payments


async def letters_of(
    connection: AsyncConnection,
    notifications: Sequence[Notification],
    orders: Mapping[UUID, Order],
    parts: Mapping[UUID, OrderParts],
) -> dict[UUID, ReturnLetter]:
    """Return what there is to say of the returns that notifications tell of, by return."""
    ids = [one.return_id for one in notifications if one.return_id is not None]
    if not ids:
        return {}
    found = await returns.by_ids(connection, ids)
    parcels = await return_parcels.of_returns(connection, ids)
    instructions = await return_shipping.instructions(connection, ids)
    places = {one.location_id for some in parcels.values() for one in some if one.location_id is not None}
    known = await locations.by_ids(connection, list(places))
    refunds = [one for asked in found.values() for one in asked.transaction_ids]
    asked = await payment_changes.by_ids(connection, refunds)
    letters = {}
    for one in found.values():
        own = parcels.get(one.id, [])
        place = next((known[parcel.location_id] for parcel in own if parcel.location_id in known), None)
        letters[one.id] = return_letter(
            one,
            orders[one.order_id].currency,
            own,
            place.address if place else None,
            instructions.get(one.id),
            [asked[refund] for refund in one.transaction_ids if refund in asked],
            {payment.id: payment for payment in parts[one.order_id].payments},
        )
        letters[one.id] = said_of(letters[one.id], one, orders[one.order_id].currency)
    for return_id, due in (await exchange_payments.due_of(connection, found.values())).items():
        letters[return_id] = replace(letters[return_id], exchange_due=due)
    return letters


async def newest_of(connection: AsyncConnection, order_id: UUID) -> UUID:
    """Return the newest return of an order; raises NotFound where there is none."""
    found = (await returns.of_orders(connection, [order_id])).get(order_id)
    if not found:
        raise NotFound("the order has no return yet")
    return found[-1].id
