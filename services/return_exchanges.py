"""Exchanges of returns: the replacement reserved when a return is approved, and paid by what it brings.

The replacement is an order of its own. Its parts are on hold for its money until the return's worth has
paid for it, whether that is enough or the customer pays the rest. Lock order: the order that comes back,
then the one that replaces it, which is always the younger.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import order_edit_stock, payment_changes
from domain import return_exchanges as decide
from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrder
from domain.inventory import Movement
from domain.kernel.errors import (
    IllegalTransition,
    InsufficientStock,
    InvalidInput,
    NotFound,
    Several,
    VariantUnavailable,
)
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.order_edits import is_paid_for
from domain.order_holds import awaiting_payment
from domain.orders import Order, fulfillment_status
from domain.payments import Payment, PaymentStatus
from domain.return_exchanges import Exchange, Planned, Replacement
from domain.return_requests import AskedLine
from domain.returns import Return, ReturnStatus, ReturnWish, brought_back, others, return_event
from domain.stored_values import METHOD, PROVIDERS, StoredValue
from persistence import inventory, order_edits
from persistence import return_exchanges as rows
from services import ledger, order_holds, orders, payment_facts
from services.carts import findable
from services.context import ServiceContext, Transaction
from services.return_records import LockedReturns

_RESERVED_IN = frozenset({ReturnStatus.APPROVED, ReturnStatus.INSPECTED})


async def named(
    connection: AsyncConnection, order_id: UUID, asked: Sequence[AskedLine], wish: ReturnWish
) -> list[AskedLine]:
    """Return what is asked for of a locked order with the articles that shall come instead looked up.

    Raises InvalidInput where none is wished for, NotFound and VariantUnavailable, naming the field.
    """
    refs: dict[int, VariantRef] = {}
    for at, one in enumerate(asked):
        if one.exchange_for is not None:
            if wish is not ReturnWish.EXCHANGE:
                raise InvalidInput("is only for an exchange", "lines", str(at), "exchangeFor")
            refs[at] = findable(one.exchange_for)
    if not refs:
        return list(asked)
    offers = (await order_edits.facts(connection, order_id, list(refs.values()))).offers
    found = list(asked)
    for at, ref in refs.items():
        offer = offers.get(ref)
        if offer is None:
            raise NotFound("there is no such variant", "lines", str(at), "exchangeFor")
        if offer.price_minor is None:
            raise VariantUnavailable(offer.sku, "lines", str(at), "exchangeFor")
        found[at] = replace(found[at], exchange_variant_id=offer.variant_id)
    return found


async def follow(
    context: ServiceContext, transaction: Transaction, found: LockedReturns, before: Return, after: Return
) -> Return:
    """Let the replacement follow what becomes of a return of a locked order, whose row is not written yet.

    Reserved when it is approved: where that cannot be, the return is for a refund, and the customer told.
    Canceled with it.
    """
    if after.wish is not ReturnWish.EXCHANGE:
        return after
    if before.status is ReturnStatus.REQUESTED and after.status in _RESERVED_IN:
        return await _reserve(transaction, found, after)
    if after.status is ReturnStatus.CANCELED:
        await cancel(context, transaction, after)
    return after


async def locked(transaction: Transaction, found: Return) -> Exchange | None:
    """Lock the order that replaces what a return brings; None where there is none."""
    if found.exchange_order_id is None:
        return None
    order, parts = await orders.lock(transaction, found.exchange_order_id, "id")
    return Exchange(order, parts.payments)


async def cancel(context: ServiceContext, transaction: Transaction, found: Return) -> None:
    """Cancel the replacement of a return that comes to nothing: its stock is on sale again.

    What was paid of it goes back by the payments' sweep. One that is paid for in full is the customer's, and
    stays. What has been sent already stays owed: staff see it as an order that is not paid for.
    """
    if found.exchange_order_id is None:
        return
    order, parts = await orders.lock(transaction, found.exchange_order_id, "id")
    if not Exchange(order, parts.payments).due_minor:
        return
    try:
        await orders.cancel_locked(context, transaction, order, parts, f"return {found.number}")
    except IllegalTransition:
        return


async def pay(
    context: ServiceContext,
    transaction: Transaction,
    exchange: Exchange,
    value: StoredValue,
    amount_minor: int,
) -> None:
    """Pay for a locked replacement with what a return has just brought as credit; paid in full, it may leave.

    So whatever is given back of it later is the customer's credit.
    """
    payment = Payment(
        new_id(),
        PROVIDERS[value.kind],
        METHOD,
        PaymentStatus.AUTHORIZED,
        value.currency,
        amount_minor,
        amount_minor,
        order_id=exchange.order.id,
        reference=str(value.id),
    )
    await rows.spend(
        transaction.connection, value.id, payment, new_id(), actor=transaction.actor, now=transaction.now
    )
    change = payment_changes.capture(payment, None, transaction.now)
    paid = [*exchange.payments, payment]
    order = await payment_facts.write(context, transaction, exchange.order, paid, [change])
    if is_paid_for(order.cost_minor, payment_changes.replaced(paid, [change]), later=False):
        await order_holds.release_unpaid(transaction, order.id)


async def _reserve(transaction: Transaction, found: LockedReturns, after: Return) -> Return:
    planned = await _planned(transaction, found, after)
    made = None if planned is None else await _secured(transaction, found, after, planned)
    if planned is None or made is None:
        refunded = replace(after, wish=ReturnWish.REFUND)
        # The caller's event makes the version.
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        transaction.emit(return_event("ReturnExchangeUnavailable", order, refunded, transaction.now))
        return refunded
    parts, movements = made
    order = replace(planned.order, fulfillment_status=fulfillment_status(parts, ()))
    number = await rows.create(transaction.connection, found.placed.order.id, order, planned.lines, parts)
    order = replace(order, number=number)
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="order",
        source_id=order.id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if short:
        raise RuntimeError(f"return {after.number}: stock that was locked is not there")
    transaction.post(ledger.placed(order))
    holds = [hold for part in parts for hold in part.holds]
    transaction.emit(_placed(order, after, len(planned.lines)))
    if holds:
        transaction.emit(order_holds.held(order, holds, transaction.now))
    return replace(after, exchange_order_id=order.id)


async def _planned(transaction: Transaction, found: LockedReturns, after: Return) -> Planned | None:
    variants = {variant for line in after.lines if (variant := decide.wanted(line)) is not None}
    refs = [VariantRef(id=one) for one in sorted(variants)]
    facts = await order_edits.facts(transaction.connection, found.placed.order.id, refs)
    offers = {
        one.variant_id: Replacement(one.variant_id, one.sku, one.name, one.tax_class, one.price_minor)
        for one in facts.offers.values()
    }
    return decide.plan(
        found.placed.order,
        found.placed.lines,
        after,
        brought_back(others(found.returns, after)),
        offers,
        facts.rules,
        transaction.now,
    )


async def _secured(
    transaction: Transaction, found: LockedReturns, after: Return, planned: Planned
) -> tuple[list[FulfillmentOrder], list[Movement]] | None:
    """Find stock for a replacement, locked until the commit; None where there is not enough."""
    variants = sorted({one.variant_id for one in planned.needs})
    shelves = await order_edits.shelves(
        transaction.connection, planned.order.channel_id, variants, locking=True
    )
    holds = [awaiting_payment(transaction.actor, transaction.now)]
    policies = [found.policies[line.order_line_id] for line in after.lines]
    covered = found.worth(after, as_asked=True).refund_minor >= planned.order.total_minor
    if covered and all(one.exchange_in_advance for one in policies):
        holds = []
    try:
        parts, movements = order_edit_stock.secure(
            planned.order.id, planned.needs, shelves, found.placed.parts, holds
        )
    except (InsufficientStock, Several):
        return None
    return parts, [replace(one, reason=decide.MOVED) for one in movements]


def _placed(order: Order, found: Return, lines: int) -> Event:
    facts = {
        "number": order.number,
        "status": order.status.value,
        "totalMinor": order.total_minor,
        "currency": order.currency,
        "lines": lines,
        "exchangeOfReturn": found.number,
    }
    return Event("OrderPlaced", "order", order.id, order.version, order.placed_at, order.channel_id, facts)
