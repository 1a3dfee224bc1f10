"""What letters of returns say, read for many of them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_ports import LabelFormat
from domain.kernel.errors import NotFound
from domain.message_ports import Attachment
from domain.notifications import TELLS_HOW_TO_SEND, Notification, NotificationKind
from domain.orders import Order
from domain.return_letters import ReturnLetter, return_letter, with_adjustment
from domain.return_parcels import ParcelSource
from persistence import (
    locations,
    payment_changes,
    return_documents,
    return_parcels,
    return_shipping,
    returns,
)
from persistence.order_parts import OrderParts
from services import exchange_payments
from services.context import ServiceContext

MOST_ATTACHED_BYTES = 1_000_000
"""Largest label that goes with a letter: of a larger one the letter says where it is found."""
# What anybody can print; ZPL is for printers of labels.
_MEDIA = {LabelFormat.PDF: "application/pdf", LabelFormat.PNG: "image/png"}


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
        plans = [parcel for parcel in own if parcel.source is ParcelSource.LABEL]
        place = next((known[plan.location_id] for plan in plans if plan.location_id in known), None)
        currency = orders[one.order_id].currency
        letter = return_letter(
            one,
            currency,
            own,
            place.address if place else None,
            instructions.get(one.id),
            [asked[refund] for refund in one.transaction_ids if refund in asked],
            {payment.id: payment for payment in parts[one.order_id].payments},
        )
        letters[one.id] = with_adjustment(letter, one, currency)
    for return_id, due in (await exchange_payments.due_of(connection, found.values())).items():
        letters[return_id] = replace(letters[return_id], exchange_due=due)
    return letters


async def label_of(
    context: ServiceContext, kind: NotificationKind, said: ReturnLetter | None
) -> Attachment | None:
    """Return the label that goes with a letter; None where there is none, or it is too large for that."""
    if said is None or said.label_id is None or kind not in TELLS_HOW_TO_SEND:
        return None
    async with context.read() as connection:
        found = await return_documents.small(connection, said.label_id, _MEDIA, MOST_ATTACHED_BYTES)
    if found is None:
        return None
    name = f"return-{said.number}.{found.format.value.lower()}"
    return Attachment(name, _MEDIA[found.format], found.content)


async def newest_of(connection: AsyncConnection, order_id: UUID) -> UUID:
    """Return the newest return of an order; raises NotFound where there is none."""
    found = (await returns.of_orders(connection, [order_id])).get(order_id)
    if not found:
        raise NotFound("the order has no return yet")
    return found[-1].id
