"""Use cases of staff who give out what customers collect: ready, collected, not collected, still waiting."""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from domain import pickup_changes as decide
from domain.fulfillment_events import part_event, shipment_event
from domain.kernel.changes import check_version
from domain.kernel.errors import NotFound, PickupCodeRefused
from domain.kernel.keys import check_key
from domain.orders import check_reason
from domain.payment_changes import Change
from domain.pickup_changes import Pickup
from domain.shipment_changes import LockedFulfillment
from persistence import order_parts
from persistence import pickups as rows
from persistence import shipments as shipment_rows
from persistence.idempotency import Claim, claim_for
from services import orders, payment_calls, shipments
from services.access import Permission, require
from services.context import ServiceContext
from services.shipment_changes import Sent

MOST_AT_ONCE = 100
"""Pickups that staff are reminded of at once."""


def code_of(context: ServiceContext, shipment_id: UUID) -> str:
    """Return the code that the customer shows for what waits: derived, never stored."""
    return context.environment.tokens.short_code("pickup", shipment_id, decide.CODE_DIGITS)


async def ready(context: ServiceContext, part_id: UUID, expected_version: int | None, key: str) -> Sent:
    """Say that all of a fulfillment order waits for its customer, who is told; one that does is left alone.

    Raises NotFound, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    claim = _claim(context, "fulfillmentOrderReady", key, [str(part_id), expected_version])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, fulfillment_order_id=part_id)
        part = found.part(part_id)
        transaction.answer({"fulfillmentOrder": str(part_id)})
        waits = decide.waiting(part, found.shipments)
        if stored is not None or waits is not None:
            return _sent(found, part_id)
        check_version(found.order.version, expected_version)
        after, parcel = decide.ready(found, part)
        after = shipments.one_version_on(after)
        now = transaction.now
        await shipment_rows.save(
            transaction.connection, after.order, parts=[after.part(part_id)], shipments=[parcel], now=now
        )
        await rows.create(transaction.connection, Pickup(parcel.id, part_id, now, _reminder(context, now)))
        transaction.emit(
            part_event("FulfillmentOrderReady", after.order, part_id, now, shipmentId=str(parcel.id)),
            shipment_event("ShipmentAvailableForPickup", after.order, parcel, now),
        )
        return _sent(after, part_id)


async def collected(
    context: ServiceContext, part_id: UUID, code: str | None, expected_version: int | None, key: str
) -> Sent:
    """Give a fulfillment order that waits to its customer: stock leaves, and is paid for where it is then.

    Without a code staff have seen by other means who it is. Repeating it changes nothing. Raises NotFound,
    IllegalTransition, VersionConflict, InvalidInput for what is no code, and PickupCodeRefused for a wrong
    one, which is counted.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    claim = _claim(context, "fulfillmentOrderCollected", key, [str(part_id), expected_version])
    if code is not None:
        await _check_code(context, part_id, decide.readable_code(code))
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, fulfillment_order_id=part_id)
        part = found.part(part_id)
        decide.check_collected(part)
        transaction.answer({"fulfillmentOrder": str(part_id)})
        parcel = decide.waiting(part, found.shipments)
        if stored is not None or (parcel is None and decide.given_out(part, found.shipments)):
            return _sent(found, part_id)
        if parcel is None:
            raise decide.not_ready(part)
        check_version(found.order.version, expected_version)
        done = decide.collected(found, parcel, transaction.now)
        await rows.forget_reminder(transaction.connection, parcel.id)
        handed = await shipments.hand_out(context, transaction, done)
        transaction.emit(
            part_event("FulfillmentOrderCollected", handed.found.order, part_id, transaction.now)
        )
    order = await shipments.take_money(context, handed)
    sent = _sent(handed.found, part_id)
    return Sent(order, sent.parts, sent.shipments)


async def not_collected(
    context: ServiceContext, part_id: UUID, reason: str, expected_version: int | None, key: str
) -> Sent:
    """Give up waiting for a customer: the order is canceled, its stock back on sale, its money given back.

    Raises NotFound, IllegalTransition (nothing of it waits, or a part of the order has left) and
    VersionConflict.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    reason = check_reason(reason)
    claim = _claim(context, "fulfillmentOrderNotCollected", key, [str(part_id), reason, expected_version])
    async with context.read() as connection:
        order_id = await order_parts.order_of_fulfillment_order(connection, part_id)
    if order_id is None:
        raise NotFound("there is no such fulfillment order", "id")
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        order, parts = await orders.lock(transaction, order_id, "id")
        transaction.answer({"fulfillmentOrder": str(part_id)})
        changes: list[Change] = []
        if stored is None:
            part = next(one for one in parts.fulfillment_orders if one.id == part_id)
            decide.check_collected(part)
            parcel = decide.waiting(part, parts.shipments)
            if parcel is None:
                raise decide.not_ready(part)
            check_version(order.version, expected_version)
            await rows.forget_reminder(transaction.connection, parcel.id)
            order, changes = await orders.cancel_locked(context, transaction, order, parts, reason)
            transaction.emit(part_event("FulfillmentOrderNotCollected", order, part_id, transaction.now))
    order = (await payment_calls.carry_out(context, order, parts.payments, changes)).order
    async with context.read() as connection:
        after = (await order_parts.parts_of(connection, [order_id]))[order_id]
    return Sent(
        order,
        tuple(one for one in after.fulfillment_orders if one.id == part_id),
        tuple(one for one in after.shipments if one.fulfillment_order_id == part_id),
    )


async def remind(context: ServiceContext) -> int:
    """Tell staff what has waited for its customer too long, again after as long; returns how many."""
    require(context.actor, Permission.FULFILLMENT_WRITE)
    async with context.read() as connection:
        due = await rows.due(connection, now=context.now(), most=MOST_AT_ONCE)
    for pickup in due:
        async with context.transaction() as transaction:
            found = await shipments.locked(transaction, shipment_id=pickup.shipment_id)
            if not found.shipment(pickup.shipment_id).waits_for_pickup:
                await rows.forget_reminder(transaction.connection, pickup.shipment_id)
                continue
            again = _reminder(context, transaction.now)
            if not await rows.remind_again(transaction.connection, pickup, again):
                continue
            facts = {"shipmentId": str(pickup.shipment_id), "readyAt": pickup.ready_at.isoformat()}
            transaction.emit(
                part_event(
                    "FulfillmentOrderPickupOverdue",
                    found.order,
                    pickup.fulfillment_order_id,
                    transaction.now,
                    **facts,
                )
            )
    return len(due)


async def _check_code(context: ServiceContext, part_id: UUID, code: str) -> None:
    """Raise PickupCodeRefused for a wrong code, once that it was shown is written."""
    left = None
    async with context.transaction() as transaction:
        pickup = await rows.lock_newest(transaction.connection, part_id)
        if pickup is None:
            return
        attempts = decide.attempts_left(pickup)
        own, shown = code_of(context, pickup.shipment_id).encode(), code.encode()
        if not hmac.compare_digest(shown, own):
            left = attempts - 1
            await rows.count_wrong_code(transaction.connection, pickup.shipment_id)
    if left is not None:
        raise PickupCodeRefused(left, "code")


def _sent(found: LockedFulfillment, part_id: UUID) -> Sent:
    of_part = tuple(one for one in found.shipments if one.fulfillment_order_id == part_id)
    return Sent(found.order, (found.part(part_id),), of_part)


def _reminder(context: ServiceContext, now: datetime) -> datetime:
    return now + timedelta(days=context.environment.pickup_reminder_days)


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
