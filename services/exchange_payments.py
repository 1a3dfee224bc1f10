"""Use cases of what an exchange costs beyond what comes back: asked by the shopper, paid, or given up.

Lock order: the order that comes back, then the one that replaces it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import exchange_payments as decide
from domain.kernel.errors import NotFound
from domain.kernel.keys import check_key
from domain.kernel.money import Money
from domain.orders import Order
from domain.payment_means import NO_MEANS, PaymentMeans
from domain.return_exchanges import Exchange
from domain.returns import Return, ReturnStatus, return_event
from persistence import exchange_payments as rows
from persistence import order_parts, payment_changes
from persistence import orders as order_rows
from persistence import returns as return_rows
from persistence.idempotency import claim_for
from persistence.payment_changes import LockedPayments
from services import order_payments, orders, payment_calls, return_records
from services.access import ActorKind, Permission, require
from services.context import ServiceContext, Transaction
from services.one_by_one import each
from services.order_payments import Created
from services.orders import OrderRef

MOST_AT_ONCE = 50
"""Exchanges one sweep gives up."""


@dataclass(frozen=True, slots=True)
class Due:
    """The order that replaces what comes back, what is to be paid of it now, and until when."""

    order: Order
    due_minor: int
    pay_by: datetime | None


async def due(context: ServiceContext, ref: OrderRef, return_id: UUID) -> Due | None:
    """Return what is to be paid for an exchange of an order; None where nothing is reserved.

    For whoever holds the order's token, its customer, and staff. Raises NotFound.
    """
    order_id = (await orders.get(context, ref)).id
    async with context.read() as connection:
        known = await return_records.read(connection, order_id)
        found = known.named(return_id)
        if found.exchange_order_id is None:
            return None
        made = (await order_rows.by_ids(connection, [found.exchange_order_id]))[found.exchange_order_id]
        parts = (await order_parts.parts_of(connection, [made.id]))[made.id]
    exchange = Exchange(made, parts.payments)
    worth = known.worth(found, as_asked=decide.is_as_asked(found))
    pay_by = decide.pay_by(
        found, exchange, parts.fulfillment_orders, context.environment.exchange_payment_days
    )
    return Due(made, decide.due_minor(found, exchange, worth), pay_by)


async def due_of(connection: AsyncConnection, returns: Iterable[Return]) -> dict[UUID, Money]:
    """Return what is still due of the replacements of returns that have ended, by return; for letters."""
    ended = {
        one.exchange_order_id: one.id
        for one in returns
        if one.exchange_order_id is not None and one.status is ReturnStatus.CLOSED
    }
    if not ended:
        return {}
    made = await order_rows.by_ids(connection, list(ended))
    parts = await order_parts.parts_of(connection, list(ended))
    dues = {order.id: Exchange(order, parts[order.id].payments).due_minor for order in made.values()}
    return {ended[one]: Money(due, made[one].currency) for one, due in dues.items() if due}


async def pay(
    context: ServiceContext,
    ref: OrderRef,
    return_id: UUID,
    provider: str,
    method: str,
    key: str,
    means: PaymentMeans = NO_MEANS,
) -> Created:
    """Let a shopper pay what an exchange costs beyond what comes back for it; paid in full it may leave.

    Before all is looked at that is what is expected of it; should it bring less, the rest is due. Raises
    NotFound, InvalidInput, IllegalTransition (nothing is to be paid now) and PaymentDeclined.
    """
    orders.require_buyer_or(context.actor, ref, Permission.PAYMENTS_WRITE)
    order_id = (await orders.get(context, ref)).id
    decide.check_provider(provider)
    async with context.read() as connection:
        found = (await return_rows.by_ids(connection, [return_id])).get(return_id)
    if found is None or found.order_id != order_id:
        raise NotFound("the order has no such return", "id")
    # Who only has a token has that order's keys.
    owner = order_id if context.actor.kind is ActorKind.ANONYMOUS else context.actor.label
    request = [str(return_id), provider, method, *means.to_json().items()]
    claim = claim_for(f"returnExchangePay:{owner}", check_key(key), request)
    wanted = partial(_due_of, order_id, return_id)
    return await order_payments.ask(context, provider, method, claim, means, wanted)


async def expire_due(context: ServiceContext) -> int:
    """Give up exchanges whose rest was not paid in time: what was reserved is on sale again."""
    require(context.actor, Permission.RETURNS_WRITE)
    before = context.now() - timedelta(days=context.environment.exchange_payment_days)
    async with context.read() as connection:
        found = await rows.unpaid(connection, before, MOST_AT_ONCE)
    return await each("expire_exchanges", found, partial(_expire, context))


async def _due_of(order_id: UUID, return_id: UUID, transaction: Transaction) -> tuple[LockedPayments, int]:
    """Lock an order and the one that replaces it, and return the latter with what is to be paid now."""
    known = await return_records.locked(transaction, order_id=order_id, path="ref")
    found = known.named(return_id)
    locked = None
    if found.exchange_order_id is not None:
        locked = await payment_changes.lock(transaction.connection, order_id=found.exchange_order_id)
    exchange = None if locked is None else Exchange(locked.order, locked.payments)
    worth = known.worth(found, as_asked=decide.is_as_asked(found))
    amount = decide.checked_due(found, exchange, worth)
    assert locked is not None, "without it nothing is due"  # noqa: S101
    return locked, amount


async def _expire(context: ServiceContext, return_id: UUID) -> None:
    async with context.transaction() as transaction:
        known = await return_records.locked(transaction, return_id=return_id)
        found = known.named(return_id)
        if found.exchange_order_id is None:
            return
        made, parts = await orders.lock(transaction, found.exchange_order_id, "id")
        exchange = Exchange(made, parts.payments)
        days = context.environment.exchange_payment_days
        pay_by = decide.pay_by(found, exchange, parts.fulfillment_orders, days)
        if pay_by is None or pay_by > transaction.now:
            return
        reason = f"return {found.number}: not paid in time"
        made, changes = await orders.cancel_locked(context, transaction, made, parts, reason)
        await _told(transaction, known.placed.order, found)
    await payment_calls.carry_out(context, made, parts.payments, changes)


async def _told(transaction: Transaction, order: Order, found: Return) -> None:
    """Tell that the replacement of a return was given up: a version of the return and of its order."""
    after = replace(found, version=found.version + 1)
    order = replace(order, version=order.version + 1)
    await return_rows.save(transaction.connection, found, after, order)
    transaction.emit(return_event("ReturnExchangeExpired", order, after, transaction.now))
