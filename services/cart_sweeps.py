"""What time does to carts: holds end, carts are abandoned, and in the end they expire."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from domain.kernel.events import Event
from persistence import cart_sweeps as rows
from persistence import inventory
from persistence.cart_sweeps import SweptCart
from services.context import ServiceContext, Transaction

MOST_AT_ONCE = 200
"""Carts one transaction of a sweep takes: locks stay short, the next transaction takes the rest."""

WARN_BEFORE = timedelta(seconds=60)
"""How long before its first hold ends a cart's shopper is told."""

EXPIRE_AFTER = timedelta(days=30)
"""How long an abandoned cart waits for its shopper before it is closed for good."""


async def expire_holds(context: ServiceContext) -> int:
    """Put the stock of holds whose time is over back on sale; returns how many lines lost it."""
    total = 0
    left: int | None = None
    while True:
        async with context.transaction() as transaction:
            total += await _expire_batch(transaction)
        async with context.read() as connection:
            before, left = left, await rows.count_due(connection, transaction.now)
        # What stays due is locked by others: the next sweep is a second away.
        if left == 0 or (before is not None and left >= before):
            return total


async def warn_of_ending(context: ServiceContext) -> int:
    """Tell shoppers whose holds are about to end, by CartHoldEnding; returns how many carts.

    That is WARN_BEFORE ahead, or a quarter of the hold's time where that is less.
    """
    warn_before = min(WARN_BEFORE, timedelta(seconds=context.environment.holds.seconds / 4))
    total = 0
    while True:
        async with context.transaction() as transaction:
            carts = await rows.warn(
                transaction.connection,
                soon=transaction.now + warn_before,
                most=MOST_AT_ONCE,
                now=transaction.now,
            )
            transaction.emit(*(_event("CartHoldEnding", cart, transaction.now) for cart in carts))
        total += len(carts)
        if len(carts) < MOST_AT_ONCE:
            return total


async def abandon_idle(context: ServiceContext) -> int:
    """Make carts ABANDONED that nobody changed for the configured time, and release their holds.

    Returns how many. Staff are told by CartAbandoned; the next change of such a cart brings it back.
    """
    total = 0
    while True:
        async with context.transaction() as transaction:
            carts = await rows.abandon(
                transaction.connection,
                idle_since=transaction.now - timedelta(seconds=context.environment.abandon_after_seconds),
                most=MOST_AT_ONCE,
                now=transaction.now,
            )
            if carts:
                transaction.emit(*(_event("CartAbandoned", cart, transaction.now) for cart in carts))
                await rows.release_holds(
                    transaction.connection,
                    [cart.id for cart in carts],
                    actor=transaction.actor,
                    now=transaction.now,
                )
        total += len(carts)
        if len(carts) < MOST_AT_ONCE:
            return total


async def expire_abandoned(context: ServiceContext) -> int:
    """Close carts that have been abandoned for EXPIRE_AFTER; returns how many."""
    total = 0
    while True:
        async with context.transaction() as transaction:
            carts = await rows.expire(
                transaction.connection,
                idle_since=transaction.now - EXPIRE_AFTER,
                most=MOST_AT_ONCE,
                now=transaction.now,
            )
            transaction.emit(*(_event("CartExpired", cart, transaction.now) for cart in carts))
        total += len(carts)
        if len(carts) < MOST_AT_ONCE:
            return total


async def _expire_batch(transaction: Transaction) -> int:
    expired = await inventory.expire_holds(
        transaction.connection,
        most_carts=MOST_AT_ONCE,
        actor=transaction.actor,
        now=transaction.now,
    )
    if not expired:
        return 0
    ids = sorted({hold.cart_id for hold in expired})
    carts = await rows.raise_versions(transaction.connection, ids)
    for hold in expired:
        cart = carts[hold.cart_id]
        facts = {"lineId": hold.line_id, "sku": hold.sku, "quantity": hold.quantity}
        transaction.emit(_event("CartHoldExpired", cart, transaction.now, facts))
    return len(expired)


def _event(kind: str, cart: SweptCart, now: datetime, facts: Mapping[str, Any] | None = None) -> Event:
    return Event(
        kind=kind,
        aggregate="cart",
        aggregate_id=cart.id,
        version=cart.version,
        occurred_at=now,
        channel_id=cart.channel_id,
        payload=facts or {"lines": cart.line_count, "units": cart.unit_count},
    )
