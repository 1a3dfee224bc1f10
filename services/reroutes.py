"""Use cases of routing again: what no longer can or should leave from where it was to.

`reroute` is for whoever has the order locked; `reroute_due` finds by itself the orders whose location does
not send any more, whose units were lost, or that nobody could send before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain import routing_reroutes as decide
from domain.fulfillment import FulfillmentOrder
from domain.kernel.changes import check_version
from domain.kernel.events import Event
from domain.kernel.keys import check_key
from domain.orders import Order
from domain.routing_decisions import Request, Routed
from domain.routing_reroutes import Rerouted, Unfillable
from domain.routing_settings import RoutingReason
from domain.shipment_changes import LockedFulfillment
from persistence import routing as routing_rows
from persistence import unfillable_orders as rows
from persistence.idempotency import claim_for
from persistence.unfillable_orders import UnfillableOrder
from services import fulfillment, shipments
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.route_deciding import decided

MOST_AT_ONCE = 50
"""Orders one run of the job looks at."""
TRIED_AGAIN = timedelta(seconds=60)
"""How long an order that nobody can send rests before it is tried again."""


@dataclass(frozen=True, slots=True)
class RoutedAgain:
    """An order after it was routed again, and what of it nobody can send."""

    order: Order
    parts: tuple[FulfillmentOrder, ...]
    """Those that changed or are new."""
    unfillable: tuple[Unfillable, ...]


async def order(
    context: ServiceContext, order_id: UUID, expected_version: int | None, key: str
) -> RoutedAgain:
    """Route an order again that nobody works on yet, by what is in stock now.

    Parts that somebody works on stay. Raises NotFound and VersionConflict.
    """
    require(context.actor, Permission.ROUTING_WRITE)
    facts = [str(order_id), expected_version]
    claim = claim_for(f"orderReroute:{context.actor.label}", check_key(key), facts)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        found = await shipments.locked(transaction, order_id=order_id, path="id")
        if stored is not None:
            return RoutedAgain(found.order, (), ())
        check_version(found.order.version, expected_version)
        transaction.answer({"order": str(order_id)})
        return await reroute(transaction, found, RoutingReason.REROUTED)


async def reroute(
    transaction: Transaction,
    found: LockedFulfillment,
    reason: RoutingReason,
    refused: Sequence[UUID] = (),
) -> RoutedAgain:
    """Route again what may move of a locked order; `refused` locations are not to send it.

    Six statements at most; three where everything stays. What nobody can send stays where it is, on hold,
    and the order is listed as unfillable.
    """
    connection = transaction.connection
    parts = decide.movable(found)
    if not parts:
        await rows.forget(connection, found.order.id)
        return RoutedAgain(found.order, (), ())
    request = decide.request_of(found.order, parts, refused)
    await rows.lock_levels(connection, sorted(request.demand))
    facts = await routing_rows.facts(
        connection,
        found.order.channel_id,
        request.demand,
        found.order.shipping_address,
        transaction.now,
    )
    routed = await decided(request, facts, reason, transaction.now)
    return await carry_out(transaction, found, parts, request, routed)


async def carry_out(
    transaction: Transaction,
    found: LockedFulfillment,
    parts: Sequence[FulfillmentOrder],
    request: Request,
    routed: Routed,
) -> RoutedAgain:
    """Do what was decided about these parts of a locked order, whose levels are locked too."""
    connection = transaction.connection
    after = decide.apply(found, parts, request, routed, actor=transaction.actor, now=transaction.now)
    saved = await _save(transaction, found, parts, after)
    concerned = [part for part in after.parts if part.lines]
    new = await rows.record(
        connection,
        routed.decision,
        [part.id for part in concerned],
        [hold.id for part in concerned for hold in part.holds],
        after.unfillable,
        actor=transaction.actor,
        now=transaction.now,
    )
    if new:
        transaction.emit(_unfillable(saved.order, after.unfillable, transaction))
    await shipments.move(transaction, found.order.id, after.movements)
    return RoutedAgain(saved.order, after.parts, after.unfillable)


async def reroute_due(context: ServiceContext) -> int:
    """Route orders again that ought to leave from elsewhere, a few at a time; returns how many."""
    require(context.actor, Permission.ROUTING_WRITE)
    async with context.read() as connection:
        waiting = await rows.due(connection, tried_until=context.now() - TRIED_AGAIN, most=MOST_AT_ONCE)
    for order_id in waiting:
        async with context.transaction() as transaction:
            found = await shipments.locked(transaction, order_id=order_id)
            await reroute(transaction, found, RoutingReason.REROUTED)
    return len(waiting)


async def unfillable(
    context: ServiceContext, limit: int, after: tuple[Any, ...] | None = None
) -> list[UnfillableOrder]:
    """Return orders that nobody can send now, those longest so first, after the key (since, id)."""
    require(context.actor, Permission.FULFILLMENT_READ)
    key = None if after is None else (after[0], after[1])
    async with context.read() as connection:
        return await rows.page(connection, limit, key)


async def _save(
    transaction: Transaction,
    found: LockedFulfillment,
    parts: Sequence[FulfillmentOrder],
    after: Rerouted,
) -> LockedFulfillment:
    if not after.parts:
        return found
    told = [
        ("FulfillmentOrderRerouted", one, {"fromFulfillmentOrderId": str(parts[0].id)})
        for one in (after.made or after.parts[:1])
    ]
    return (await fulfillment.save(transaction, found, after.parts, *told)).found


def _unfillable(order: Order, reasons: Sequence[Unfillable], transaction: Transaction) -> Event:
    facts = {
        "number": order.number,
        "status": order.status.value,
        "reasons": [{"sku": one.sku, "quantity": one.quantity, "reason": one.reason} for one in reasons],
    }
    return Event(
        "OrderUnfillable", "order", order.id, order.version, transaction.now, order.channel_id, facts
    )
