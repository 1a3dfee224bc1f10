"""Deciding new orders anew together: what one alone would take, another may need more."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from domain import routing_batches as decide
from domain import routing_reroutes
from domain.channels import CapturePolicy
from domain.routing_batches import Waiting
from domain.routing_decisions import Request, Routed
from domain.shipment_changes import LockedFulfillment
from persistence import order_parts, orders, unfillable_orders
from persistence import routing as routing_rows
from persistence import routing_batches as rows
from services import order_holds, reroutes, shipments
from services.access import Permission, require
from services.context import ServiceContext

MOST_AT_ONCE = 100
"""Orders of a channel that are decided together."""
LOOKED_BACK = timedelta(hours=24)
"""How old an order may be that is decided anew."""
TIME_LIMIT_SECONDS = 5.0
PATIENCE = timedelta(minutes=10)
"""How long after its time a batch may come before what is held back for it is released without."""

_log = structlog.get_logger(__name__)


async def decide_new(context: ServiceContext) -> int:
    """Decide new orders of the channels that want it anew together; returns how many move.

    What is decided is applied order by order, each in a transaction of its own and only where the order and
    the stock are still as they were read: nobody waits for the deciding. What was held back for it is
    released then, whether it moved or not.
    """
    require(context.actor, Permission.ROUTING_WRITE)
    async with context.read() as connection:
        batches = await rows.batches(
            connection, placed_from=context.now() - LOOKED_BACK, now=context.now(), most=MOST_AT_ONCE
        )
    moved = 0
    for batch in batches:
        waiting = await _waiting(context, batch.order_ids)
        if waiting:
            wanted = await asyncio.to_thread(
                decide.decide_batch, waiting, context.now(), time_limit_seconds=TIME_LIMIT_SECONDS
            )
            requests = {one.request.order_id: one.request for one in waiting}
            moved += await _apply(context, wanted, requests)
        await _release(context, batch.held_back)
    return moved


async def release_overdue(context: ServiceContext) -> int:
    """Release what no batch has come for in time, or whose channel holds nothing back any more.

    Returns how many orders: none while batches run.
    """
    require(context.actor, Permission.ROUTING_WRITE)
    async with context.read() as connection:
        overdue = await rows.overdue(connection, now=context.now(), patience=PATIENCE, most=MOST_AT_ONCE)
    await _release(context, overdue)
    return len(overdue)


async def _release(context: ServiceContext, order_ids: Sequence[UUID]) -> None:
    for order_id in order_ids:
        async with context.transaction() as transaction:
            await order_holds.release_held_back(transaction, order_id)


async def _waiting(context: ServiceContext, order_ids: Sequence[UUID]) -> list[Waiting]:
    found = []
    async with context.read() as connection:
        by_id = await orders.by_ids(connection, order_ids)
        parts = await order_parts.parts_of(connection, order_ids)
        for order_id in order_ids:
            order, has = by_id[order_id], parts[order_id]
            seen = LockedFulfillment(
                order, (), has.fulfillment_orders, has.shipments, has.payments, CapturePolicy.MANUAL
            )
            movable = routing_reroutes.movable(seen)
            if movable:
                request = routing_reroutes.request_of(order, movable)
                address, now = order.shipping_address, context.now()
                facts = await routing_rows.facts(connection, order.channel_id, request.demand, address, now)
                found.append(Waiting(request, facts))
    return found


async def _apply(context: ServiceContext, wanted: Sequence[Routed], requests: dict[UUID, Request]) -> int:
    """Move what can be moved; who waits for units that another gives up comes after it."""
    left, moved = list(wanted), 0
    while left:
        later = [one for one in left if not await _move(context, one, requests[one.decision.order_id])]
        moved += len(left) - len(later)
        if len(later) == len(left):
            _log.info("routing_batch_left", orders=len(left))
            break
        left = later
    return moved


async def _move(context: ServiceContext, routed: Routed, read: Request) -> bool:
    async with context.transaction() as transaction:
        found = await shipments.locked(transaction, order_id=read.order_id)
        parts = routing_reroutes.movable(found)
        request = routing_reroutes.request_of(found.order, parts)
        if request != read:
            return False
        await unfillable_orders.lock_levels(transaction.connection, sorted(request.demand))
        address, now = found.order.shipping_address, transaction.now
        facts = await routing_rows.facts(
            transaction.connection, found.order.channel_id, request.demand, address, now
        )
        for place, units in routed.units.items():
            if facts.available.get(place, 0) + request.own.get(place, 0) < units:
                return False
        await reroutes.carry_out(transaction, found, parts, request, routed)
        return True
