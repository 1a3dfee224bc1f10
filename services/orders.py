"""Use cases of orders: finding, approving, rejecting and canceling them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain import order_holds as holding
from domain import orders as decide
from domain.fulfillment import LIVE, FulfillmentOrder, FulfillmentOrderStatus, with_status
from domain.fulfillment_events import shipment_event
from domain.inventory import Movement, StockState
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.keys import check_key
from domain.kernel.quantities import is_storable
from domain.kernel.transitions import check_transition
from domain.ledger import EntryKind
from domain.order_reviews import ReviewState
from domain.orders import Order, OrderStatus
from domain.payment_changes import Change, replaced, undo
from persistence import channels, customers, inventory, order_reviews
from persistence import orders as rows
from persistence.idempotency import Claim, claim_for
from persistence.order_parts import OrderParts
from services import ledger, order_drafts, payment_calls, payment_captures, payment_facts
from services.access import ANONYMOUS, Actor, ActorKind, Permission, require
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class OrderRef:
    """One way of naming an order: exactly one is set."""

    id: UUID | None = None
    number: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class _Ending:
    """How an order ends before anything is shipped."""

    status: OrderStatus
    kind: str
    stock_reason: str
    entry_kind: EntryKind
    review: ReviewState | None = None
    note: str | None = None


class _IsDraft(Exception):
    """The order is a draft, whose cart is locked before it: nothing was changed here."""


_CANCELED = _Ending(OrderStatus.CANCELED, "OrderCanceled", "ORDER_CANCELED", EntryKind.ORDER_CANCELED)
_REJECTED = _Ending(
    OrderStatus.REJECTED, "OrderRejected", "ORDER_REJECTED", EntryKind.ORDER_REJECTED, ReviewState.REJECTED
)
_EXPIRED = _Ending(
    OrderStatus.EXPIRED, "OrderExpired", "ORDER_EXPIRED", EntryKind.ORDER_EXPIRED, ReviewState.EXPIRED
)


async def find(context: ServiceContext, ref: OrderRef) -> Order | None:
    """Return an order for whoever holds its token, owns it or may read orders; else None."""
    actor = context.actor
    if ref.token is None and not actor.customer_id and not actor.may(Permission.ORDERS_READ):
        return None
    return await _named(context, ref)


def require_buyer_or(actor: Actor, ref: OrderRef | None, permission: Permission) -> None:
    """Raise AccessDenied unless they may do what the buyer of the order may, or have the permission.

    The one place that says who acts for a buyer: who holds the order's token, and a customer who is signed
    in. Whether it is theirs is told by `find`, `get` and `named_id`, to which others' orders do not exist.
    """
    if ref is None or (ref.token is None and actor.customer_id is None):
        require(actor, permission)


def asked_by(actor: Actor, ref: OrderRef) -> str:
    """Return as whom a request is recorded: a customer who shows a token asks as whoever holds it.

    What is recorded is evidence, and the order need not be theirs then.
    """
    return ANONYMOUS.label if actor.customer_id and ref.token is not None else actor.label


async def _named(context: ServiceContext, ref: OrderRef) -> Order | None:
    """Return the order that `ref` names, for an actor who may name it so; to a customer only their own."""
    owner = context.actor.customer_id if ref.token is None else None
    async with context.read() as connection:
        if owner is not None:
            number = ref.number if ref.number and is_storable(ref.number) else None
            return await customers.own_order(connection, owner, order_id=ref.id, number=number)
        if ref.number is not None:
            return await rows.by_number(connection, ref.number) if is_storable(ref.number) else None
        subject = context.environment.tokens.read("order", ref.token) if ref.token is not None else None
        order_id = subject.id if subject else ref.id
        if order_id is None:
            return None
        order = (await rows.by_ids(connection, [order_id])).get(order_id)
    if order is not None and subject is not None and order.token_generation != subject.generation:
        return None
    return order


async def named_id(context: ServiceContext, ref: OrderRef) -> UUID:
    """Return the id of the order that `ref` names, for an actor who may name it so; raises NotFound."""
    trusted = None if context.actor.customer_id else ref.id
    order = None if trusted else await _named(context, ref)
    order_id = order.id if order else trusted
    if order_id is None:
        raise NotFound("there is no such order", "ref")
    return order_id


async def get(context: ServiceContext, ref: OrderRef) -> Order:
    """Return an order as `find` does; raises NotFound."""
    order = await find(context, ref)
    if order is None:
        raise NotFound("there is no such order", "ref")
    return order


async def approve(
    context: ServiceContext,
    order_id: UUID,
    expected_version: int | None,
    key: str,
    note: str | None = None,
) -> Order:
    """Let an order that waits for approval be processed; the holds of its review end, others stay.

    Raises NotFound, InvalidInput for the note, IllegalTransition and VersionConflict; approving an
    open order changes nothing.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    note = holding.check_note(note)
    request = [str(order_id), expected_version, *([note] if note else [])]
    claim = _claim(context, "orderApprove", order_id, key, request)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        order, parts = await _locked(transaction, order_id, "id")
        if stored is not None:
            return order
        transaction.answer({"order": str(order_id)})
        opened = replace(order, status=OrderStatus.OPEN)
        released = holding.approved(parts.fulfillment_orders, opened)
        changed = decide.change(
            order,
            OrderStatus.OPEN,
            parts.payments,
            released,
            expected_version=expected_version,
            reason=None,
            now=transaction.now,
        )
        if changed is None:
            return order
        await rows.save(transaction.connection, changed, released)
        await order_reviews.close(
            transaction.connection,
            order_id,
            ReviewState.APPROVED,
            all_holds=False,
            actor=transaction.actor,
            note=note,
            now=transaction.now,
        )
        transaction.emit(_event("OrderApproved", changed, transaction.now))
        policy = await channels.capture_policy_of(transaction.connection, changed.channel_id)
        captures = payment_captures.at_opening(policy, changed, parts.payments, transaction.now)
        paid = replaced(parts.payments, captures)
        if captures:
            changed = replace(changed, payment_status=decide.payment_status(changed.total_minor, paid))
            await payment_facts.save(context, transaction, changed, captures)
            transaction.emit(*payment_facts.settled_events_of(changed, captures, transaction.now))
    return (await payment_calls.carry_out(context, changed, paid, captures)).order


async def reject(
    context: ServiceContext,
    order_id: UUID,
    reason: str,
    expected_version: int | None,
    key: str,
    note: str | None = None,
) -> Order:
    """Turn down an order that waits for approval: its stock goes back on sale, its payment is voided.

    The shopper is told the reason, only staff the note.
    """
    require(context.actor, Permission.ORDERS_WRITE)
    reason, note = decide.check_reason(reason), holding.check_note(note)
    request = [str(order_id), reason, expected_version, *([note] if note else [])]
    claim = _claim(context, "orderReject", order_id, key, request)
    return await _end(context, order_id, replace(_REJECTED, note=note), reason, expected_version, claim)


async def cancel(
    context: ServiceContext, ref: OrderRef, reason: str, expected_version: int | None, key: str
) -> Order:
    """Cancel an order of which nothing is shipped: stock goes back on sale, the payment is voided.

    Staff name any in any way, a customer one of theirs, a guest one by its token. Raises NotFound,
    IllegalTransition and VersionConflict; canceling a canceled order changes nothing.
    """
    require_buyer_or(context.actor, ref, Permission.ORDERS_WRITE)
    reason = decide.check_reason(reason)
    order_id = await named_id(context, ref)
    claim = _claim(context, "orderCancel", order_id, key, [str(order_id), reason, expected_version])
    try:
        return await _end(context, order_id, _CANCELED, reason, expected_version, claim)
    except _IsDraft:
        with suppress(order_drafts.NoDraft):
            return await order_drafts.cancel(context, order_id, reason, expected_version, claim)
    # It was placed meanwhile, and no order becomes a draft again.
    return await _end(context, order_id, _CANCELED, reason, expected_version, claim)


async def lock(transaction: Transaction, order_id: UUID, path: str) -> tuple[Order, OrderParts]:
    """Lock an order and return it with its parts; one statement. Raises NotFound naming `path`."""
    return await _locked(transaction, order_id, path)


async def cancel_locked(
    context: ServiceContext, transaction: Transaction, order: Order, parts: OrderParts, reason: str
) -> tuple[Order, list[Change]]:
    """Cancel a locked order as `cancel` does, for another use case.

    Returns it and the payments' changes, to be carried out after the commit. Raises IllegalTransition.
    """
    return await _undo(context, transaction, order, parts, _CANCELED, reason, None)


async def expire(context: ServiceContext, order_id: UUID) -> Order:
    """End an order that nobody approved in time, as if it were rejected."""
    require(context.actor, Permission.ORDERS_WRITE)
    return await _end(context, order_id, _EXPIRED, "nobody approved it in time", None, None)


async def _end(
    context: ServiceContext,
    order_id: UUID,
    ending: _Ending,
    reason: str,
    expected_version: int | None,
    claim: Claim | None,
) -> Order:
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        order, parts = await _locked(transaction, order_id, "ref" if ending is _CANCELED else "id")
        undone: list[Change] = []
        if stored is None:
            if ending is _CANCELED and order.status is OrderStatus.DRAFT:
                raise _IsDraft
            transaction.answer({"order": str(order_id)})
            order, undone = await _undo(context, transaction, order, parts, ending, reason, expected_version)
    return (await payment_calls.carry_out(context, order, parts.payments, undone)).order


async def _undo(
    context: ServiceContext,
    transaction: Transaction,
    order: Order,
    parts: OrderParts,
    ending: _Ending,
    reason: str,
    expected_version: int | None,
) -> tuple[Order, list[Change]]:
    """End a locked order: give its stock back, and write the intents to give its money back."""
    now = transaction.now
    if check_transition(decide.TRANSITIONS, order.status, ending.status, "the order"):
        decide.check_nothing_shipped(order, parts.fulfillment_orders)
    ended_parts = [
        replace(with_status(part, FulfillmentOrderStatus.CANCELED), holds=()) if part.status in LIVE else part
        for part in parts.fulfillment_orders
    ]
    undone = undo(parts.payments, now)
    changed = decide.change(
        order,
        ending.status,
        replaced(parts.payments, undone),
        ended_parts,
        expected_version=expected_version,
        reason=reason,
        now=now,
    )
    if changed is None:
        return order, []
    await rows.save(transaction.connection, changed, ended_parts)
    transaction.post(await ledger.ended(transaction, changed, ending.entry_kind))
    if undone:
        await payment_facts.save(context, transaction, changed, undone)
    if ending.review or any(part.holds for part in parts.fulfillment_orders):
        await order_reviews.close(
            transaction.connection,
            order.id,
            ending.review,
            all_holds=True,
            actor=transaction.actor,
            note=ending.note,
            now=now,
        )
    await _give_stock_back(transaction, order.id, parts.fulfillment_orders, ending.stock_reason)
    unpacked = [one for one in parts.shipments if one.is_here]
    transaction.emit(
        _event(ending.kind, changed, now),
        *(shipment_event("ShipmentCanceled", changed, one, now) for one in unpacked),
        *payment_facts.settled_events_of(changed, undone, now),
    )
    return changed, undone


async def _give_stock_back(
    transaction: Transaction, order_id: UUID, parts: Sequence[FulfillmentOrder], reason: str
) -> None:
    movements = [
        Movement(
            line.variant_id,
            part.location_id,
            StockState.COMMITTED,
            StockState.AVAILABLE,
            line.quantity - line.quantity_short,
            reason,
        )
        for part in parts
        if part.status is not FulfillmentOrderStatus.CANCELED
        for line in part.lines
        if line.quantity > line.quantity_short
    ]
    if not movements:
        return
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="order",
        source_id=order_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if short:
        raise RuntimeError(f"order {order_id} has less stock committed than its fulfillment orders say")


async def _locked(transaction: Transaction, order_id: UUID, path: str) -> tuple[Order, OrderParts]:
    found = await rows.lock(transaction.connection, order_id)
    if found is None:
        raise NotFound("there is no such order", path)
    return found


def _claim(context: ServiceContext, operation: str, order_id: UUID, key: str, request: object) -> Claim:
    # A caller's keys are the caller's, whichever order they name; who only has a token has that order.
    owner = order_id if context.actor.kind is ActorKind.ANONYMOUS else context.actor.label
    return claim_for(f"{operation}:{owner}", check_key(key), request)


def _event(kind: str, order: Order, now: datetime) -> Event:
    return Event(
        kind=kind,
        aggregate="order",
        aggregate_id=order.id,
        version=order.version,
        occurred_at=now,
        channel_id=order.channel_id,
        payload={"number": order.number, "status": order.status.value},
    )
