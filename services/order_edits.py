"""Use cases of edits: what an order would become, and making it so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import order_edit_stock as stock
from domain import order_edits as decide
from domain import payment_changes
from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrder
from domain.inventory import Movement
from domain.kernel.changes import check_version
from domain.kernel.errors import InvalidInput, NotFound, VariantUnavailable, under
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.money import Amount, Money
from domain.order_edits import Edit, Goods, NewQuantity, Placed
from domain.order_holds import awaiting_payment, is_unpaid
from domain.orders import Order, check_reason, edited_back_minor, fulfillment_status, payment_status
from domain.payment_changes import Change
from persistence import inventory
from persistence import order_edits as rows
from persistence import orders as order_rows
from persistence.idempotency import claim_for
from persistence.order_edits import Offer
from services import ledger, order_holds, payment_calls, payment_captures, payment_facts, stored_value_tenders
from services.access import Permission, require
from services.carts import findable
from services.context import ServiceContext, Transaction

_NO_REASON = "preview"


@dataclass(frozen=True, slots=True)
class Added:
    """A variant to add, at today's price unless staff say another."""

    ref: VariantRef
    quantity: int
    unit_price: Amount | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be changed of an order."""

    order_id: UUID
    quantities: Sequence[NewQuantity] = ()
    added: Sequence[Added] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """An order before and after an edit."""

    before: Order
    edit: Edit


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an edit makes of an order's parts, stock and payments."""

    edit: Edit
    parts: tuple[FulfillmentOrder, ...]
    """The parts that change or are new."""
    movements: tuple[Movement, ...]
    changes: tuple[Change, ...]
    """Of its payments: what it gives back, or takes where with it all has left."""


async def preview(context: ServiceContext, wanted: Wanted) -> Edited:
    """Return what an edit would make of an order; nothing is changed, and nothing kept for it.

    Raises NotFound, InvalidInput, IllegalTransition, VariantUnavailable and InsufficientStock.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    async with context.read() as connection:
        placed, goods = await _placed(connection, wanted)
        plan = await _planned(
            connection, wanted, placed, goods, _NO_REASON, context.actor.label, context.now(), locking=False
        )
    return Edited(placed.order, plan.edit)


async def commit(
    context: ServiceContext, wanted: Wanted, reason: str, expected_version: int, key: str
) -> Order:
    """Edit an order: its lines, price and stock at once; what was captured too much is refunded.

    What is then due is not charged here: `order_payments.create` does that, and until then what was
    added is on hold. Raises what `preview` does, and VersionConflict.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    reason = check_reason(reason)
    claim = claim_for(
        f"orderEditCommit:{context.actor.label}", check_key(key), _request(wanted, reason, expected_version)
    )
    done: tuple[Placed, _Plan] | None = None
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is None:
            connection, now = transaction.connection, transaction.now
            placed, goods = await _placed(connection, wanted)
            check_version(placed.order.version, expected_version)
            plan = await _planned(
                connection, wanted, placed, goods, reason, transaction.actor, now, locking=True
            )
            await _write(context, transaction, placed, plan, reason)
            done = placed, plan
            transaction.answer({"order": str(wanted.order_id)})
    if done is not None and done[1].changes:
        placed, plan = done
        after = payment_changes.replaced(placed.payments, plan.changes)
        await payment_calls.carry_out(context, plan.edit.order, after, plan.changes)
    async with context.read() as connection:
        return (await order_rows.by_ids(connection, [wanted.order_id]))[wanted.order_id]


async def _placed(connection: AsyncConnection, wanted: Wanted) -> tuple[Placed, list[Goods]]:
    """Lock an order, and return it with the goods that shall be added."""
    found = await order_rows.lock(connection, wanted.order_id)
    if found is None:
        raise NotFound("there is no such order", "id")
    order, parts = found
    refs = [findable(one.ref) for one in wanted.added]
    facts = await rows.facts(connection, order.id, refs)
    placed = Placed(
        order,
        facts.lines,
        parts.fulfillment_orders,
        facts.adjustments,
        parts.payments,
        facts.rules,
        facts.tax_classes,
        tuple(one.status for one in parts.shipments),
        facts.capture_policy,
        facts.told_of,
    )
    pairs = zip(wanted.added, refs, strict=True)
    return placed, [_goods(order, one, facts.offers.get(ref), at) for at, (one, ref) in enumerate(pairs)]


async def _planned(
    connection: AsyncConnection,
    wanted: Wanted,
    placed: Placed,
    goods: Sequence[Goods],
    reason: str,
    actor: str,
    now: datetime,
    *,
    locking: bool,
) -> _Plan:
    edit = decide.plan(placed, wanted.quantities, goods, now)
    changed, back = stock.give_back(edit.order, placed.parts, edit.taken)
    by_id = {part.id: part for part in placed.parts} | {part.id: part for part in changed}
    made: list[FulfillmentOrder] = []
    movements = list(back)
    refunds = payment_changes.overpaid(placed.payments, placed.order.currency, edit.refund_minor, reason, now)
    if edit.needs:
        if locking:
            await stored_value_tenders.lock_taken(connection, refunds)
        # Those that give units back too, so that all rows are locked in their one order.
        variants = sorted({one.variant_id for one in edit.needs} | {one.variant_id for one in back})
        shelves = await rows.shelves(connection, placed.order.channel_id, variants, locking=locking)
        # What comes instead of goods that wait for their money waits for it as well.
        waits = edit.due_minor or any(is_unpaid(hold) for part in placed.parts for hold in part.holds)
        holds = [awaiting_payment(actor, now)] if waits else []
        made, forth = stock.secure(placed.order.id, edit.needs, shelves, list(by_id.values()), holds)
        movements += forth
    payments = payment_changes.replaced(placed.payments, refunds)
    order = replace(
        edit.order,
        fulfillment_status=fulfillment_status([*by_id.values(), *made], placed.parcels),
        edited_back_minor=edited_back_minor(edit.order, payments),
    )
    # With the last unit that was to leave, an edit takes away the parcel that would have taken the rest.
    rest = payment_captures.at_the_end(placed.capture_policy, order, edit.lines, payments, now)
    paid = payment_changes.replaced(payments, rest)
    order = replace(order, payment_status=payment_status(order.total_minor, paid))
    changes = (*refunds, *rest)
    return _Plan(replace(edit, order=order), (*changed, *made), tuple(movements), changes)


async def _write(
    context: ServiceContext, transaction: Transaction, placed: Placed, plan: _Plan, reason: str
) -> None:
    edit, order, now = plan.edit, plan.edit.order, transaction.now
    note = rows.Note(new_id(), transaction.actor, reason, _amounts(placed.order), now)
    await rows.apply(transaction.connection, edit, plan.parts, note)
    transaction.post(ledger.edited(placed.order, order, note.id))
    if plan.changes:
        await payment_facts.save(context, transaction, order, plan.changes)
    if plan.movements:
        await _move(transaction, order, plan.movements)
    facts = {
        "number": order.number,
        "status": order.status.value,
        "differenceMinor": edit.difference_minor,
        "totalMinor": order.total_minor,
        "currency": order.currency,
    }
    transaction.emit(
        Event("OrderEdited", "order", order.id, order.version, now, order.channel_id, facts),
        *payment_facts.events_of(order, plan.changes, now),
    )
    known = {hold.id for part in placed.parts for hold in part.holds}
    put = [hold for part in plan.parts for hold in part.holds if hold.id not in known]
    if put:
        transaction.emit(order_holds.held(order, put, now))


async def _move(transaction: Transaction, order: Order, movements: Sequence[Movement]) -> None:
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="order",
        source_id=order.id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if short:
        raise RuntimeError(f"order {order.id}: stock that was locked is not there")


def _goods(order: Order, added: Added, offer: Offer | None, at: int) -> Goods:
    with under("add", str(at)):
        if offer is None:
            raise NotFound("there is no such variant", "variant")
        price_minor = offer.price_minor
        if added.unit_price is not None:
            price_minor = _price(order.currency, added.unit_price)
        if price_minor is None:
            raise VariantUnavailable(offer.sku, "variant")
    return Goods(offer.variant_id, offer.sku, offer.name, price_minor, offer.tax_class, added.quantity)


def _price(currency: str, asked: Amount) -> int:
    with under("unitPrice"):
        if asked.currency != currency:
            raise InvalidInput(f"the order is in {currency}, not {asked.currency[:8]}", "currency")
        money = Money.from_decimal(asked.amount, currency)
        if money.amount_minor < 0:
            raise InvalidInput("must not be below zero", "amount")
    return money.amount_minor


def _amounts(order: Order) -> dict[str, int]:
    return {
        "subtotal": order.subtotal_minor,
        "shipping": order.shipping_minor,
        "tax": order.tax_minor,
        "discount": order.discount_minor,
        "total": order.total_minor,
    }


def _request(wanted: Wanted, reason: str, expected_version: int) -> list[Any]:
    return [
        str(wanted.order_id),
        [[str(one.line_id), one.quantity] for one in wanted.quantities],
        [
            [
                str(one.ref),
                one.quantity,
                one.unit_price and [str(one.unit_price.amount), one.unit_price.currency],
            ]
            for one in wanted.added
        ],
        reason,
        expected_version,
    ]
