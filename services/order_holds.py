"""Use cases of holds: staff put and release them, and one that waits for money ends when it has come."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain import order_holds as decide
from domain.fulfillment import FulfillmentHold, FulfillmentOrder, HoldKind
from domain.kernel.changes import check_version
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.order_edits import is_paid_for
from domain.orders import Order, fulfillment_status
from domain.routing_holds import is_held_back
from persistence import order_holds as rows
from persistence import order_parts, orders
from persistence.idempotency import Claim, claim_for
from persistence.order_parts import OrderParts
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction

MOST_AT_ONCE = 100
"""Orders one sweep lets go; the next takes the rest."""


async def add(
    context: ServiceContext,
    part_id: UUID,
    kind: HoldKind,
    note: str | None,
    expected_version: int | None,
    key: str,
) -> tuple[Order, FulfillmentOrder]:
    """Keep a fulfillment order from being worked on; returns it with its order.

    Raises NotFound, InvalidInput for the kind or the note, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    note = decide.check_note(note)
    claim = _claim(context, "fulfillmentOrderHoldAdd", key, [str(part_id), kind, note, expected_version])
    async with context.read() as connection:
        order_id = await order_parts.order_of_fulfillment_order(connection, part_id)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        order, parts = await _locked(transaction, order_id, "fulfillmentOrderId")
        part = _part(parts, part_id)
        if stored is not None:
            return order, part
        check_version(order.version, expected_version)
        hold = FulfillmentHold(
            new_id(), kind, note=note, created_by=transaction.actor, created_at=transaction.now
        )
        held_part = decide.add(order, part, hold)
        await rows.add(transaction.connection, held_part, hold, transaction.now)
        saved = await _save(transaction, order, parts, [held_part])
        await audit.record(transaction, "FulfillmentOrderHoldAdded", "fulfillment_order", part_id, after=hold)
        transaction.emit(held(saved, [hold], transaction.now))
        transaction.answer({"order": str(order.id)})
        return saved, held_part


async def release(
    context: ServiceContext, hold_id: UUID, note: str | None, expected_version: int | None, key: str
) -> tuple[Order, FulfillmentOrder]:
    """End a hold; its fulfillment order is OPEN again if nothing else keeps it. Returns it with its order.

    Releasing what is released changes nothing. Raises NotFound, InvalidInput for the note,
    IllegalTransition for a hold of a review, and VersionConflict.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    note = decide.check_note(note)
    claim = _claim(context, "fulfillmentOrderHoldRelease", key, [str(hold_id), note, expected_version])
    async with context.read() as connection:
        order_id, part_id = await rows.place_of_hold(connection, hold_id) or (None, hold_id)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        order, parts = await _locked(transaction, order_id, "id")
        part = _part(parts, part_id)
        found = [hold for hold in part.holds if hold.id == hold_id]
        if stored is not None:
            return order, part
        transaction.answer({"order": str(order.id)})
        if not found:
            return order, part
        check_version(order.version, expected_version)
        free = decide.release(order, part, hold_id)
        saved = await _release(transaction, order, parts, [free], found, note)
        await audit.record(
            transaction, "FulfillmentOrderHoldReleased", "fulfillment_order", part_id, before=found[0]
        )
        return saved, free


async def release_paid(context: ServiceContext) -> int:
    """End the holds of orders whose money has come; returns how many orders were looked at."""
    require(context.actor, Permission.ORDERS_WRITE)
    async with context.read() as connection:
        waiting = await rows.paid(connection, MOST_AT_ONCE)
    for order_id in waiting:
        async with context.transaction() as transaction:
            order, parts = await _locked(transaction, order_id, "id")
            # An edit may have made it cost more since we looked.
            if is_paid_for(order.cost_minor, parts.payments, later=False):
                await _release_unpaid(transaction, order, parts)
    return len(waiting)


async def release_unpaid(transaction: Transaction, order_id: UUID) -> Order:
    """End the holds of an order that waited for its money; returns it as it then is."""
    return await _release_unpaid(transaction, *await _locked(transaction, order_id, "id"))


async def release_held_back(transaction: Transaction, order_id: UUID) -> Order:
    """End the holds of an order that waited to be routed together with others; returns it as it then is."""
    order, parts = await _locked(transaction, order_id, "id")
    return await _release_all(transaction, order, parts, is_held_back)


async def _release_unpaid(transaction: Transaction, order: Order, parts: OrderParts) -> Order:
    return await _release_all(transaction, order, parts, decide.is_unpaid)


async def _release_all(
    transaction: Transaction, order: Order, parts: OrderParts, is_over: Callable[[FulfillmentHold], bool]
) -> Order:
    ended = [hold for part in parts.fulfillment_orders for hold in part.holds if is_over(hold)]
    if not ended:
        return order
    kept = [tuple(hold for hold in part.holds if not is_over(hold)) for part in parts.fulfillment_orders]
    free = [
        decide.reopened(order, replace(part, holds=holds))
        for part, holds in zip(parts.fulfillment_orders, kept, strict=True)
    ]
    return await _release(transaction, order, parts, free, ended, None)


def held(order: Order, holds: Sequence[FulfillmentHold], now: datetime) -> Event:
    """Return the event that tells of holds put on an order."""
    return _event("OrderHeld", order, holds, now)


async def _release(
    transaction: Transaction,
    order: Order,
    parts: OrderParts,
    free: Sequence[FulfillmentOrder],
    ended: Sequence[FulfillmentHold],
    note: str | None,
) -> Order:
    await rows.release(
        transaction.connection,
        [hold.id for hold in ended],
        actor=transaction.actor,
        note=note,
        now=transaction.now,
    )
    saved = await _save(transaction, order, parts, free)
    transaction.emit(_event("OrderHoldReleased", saved, ended, transaction.now))
    return saved


async def _save(
    transaction: Transaction, order: Order, parts: OrderParts, changed: Sequence[FulfillmentOrder]
) -> Order:
    """Write changed parts of a locked order, one version on."""
    by_id = {part.id: part for part in changed}
    after = [by_id.get(part.id, part) for part in parts.fulfillment_orders]
    status = fulfillment_status(after, [shipment.status for shipment in parts.shipments])
    saved = replace(order, fulfillment_status=status, version=order.version + 1)
    await orders.save(transaction.connection, saved, after)
    return saved


async def _locked(transaction: Transaction, order_id: UUID | None, path: str) -> tuple[Order, OrderParts]:
    found = await orders.lock(transaction.connection, order_id) if order_id else None
    if found is None:
        raise NotFound("there is nothing with this id", path)
    return found


def _part(parts: OrderParts, part_id: UUID) -> FulfillmentOrder:
    return next(part for part in parts.fulfillment_orders if part.id == part_id)


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


def _event(kind: str, order: Order, holds: Sequence[FulfillmentHold], now: datetime) -> Event:
    kinds = sorted({hold.kind.value for hold in holds})
    payload = {"number": order.number, "status": order.status.value, "kinds": kinds}
    return Event(kind, "order", order.id, order.version, now, order.channel_id, payload)
