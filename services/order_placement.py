"""Placing an order: secure the stock, authorize the payment, place the order.

Two transactions with the provider's call between them. The first secures the stock and writes the
intent, the second the outcome; whatever dies in between is finished by the sweep of
`services/payment_sweep.py` through the same `conclude`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import order_placement as decide
from domain.kernel.errors import DomainError, InsufficientStock, NotFound, PaymentDeclined, Several
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.order_placement import Allocation, Checkout, CheckoutLine, Placement
from domain.orders import Order
from domain.payments import Payment, PaymentStatus
from domain.ports import Outcome, ProviderAnswer
from persistence import idempotency, inventory
from persistence import order_placement as rows
from persistence import orders as order_rows
from persistence import payments as payment_rows
from persistence.idempotency import Claim, claim_for
from services import payments
from services.context import ServiceContext, Transaction

_ENDED_WELL = {Outcome.SUCCEEDED, Outcome.DEFERRED}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A checkout whose payment was asked for."""

    checkout: Checkout
    payment: Payment
    transaction_id: UUID
    claim: Claim
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an attempt: an order, or a payment whose outcome is not known yet.

    `placement` has the order's parts when this call wrote them, so that nobody reads them again.
    """

    payment: Payment
    order: Order | None = None
    order_token: str | None = None
    placement: Placement | None = None


async def place(context: ServiceContext, cart_token: str, provider: str, method: str, key: str) -> Placed:
    """Place the order of a cart; the same key later returns the final answer, and never does it twice.

    Raises NotFound, InvalidInput, CartClosed, CartIncomplete, InsufficientStock (then nothing was
    changed) and PaymentDeclined (the cart is ACTIVE with its holds).
    """
    subject = context.environment.tokens.read("cart", cart_token)
    if subject is None:
        raise NotFound("no cart has this token", "cartToken")
    payments.provider_for(context.environment, provider, method)
    claim = claim_for(f"orderPlace:{subject.id}", check_key(key), [provider, method])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        checkout = await _locked(transaction, subject.id, subject.generation)
        attempt = None
        if stored is None:
            attempt = await _start(context, transaction, checkout, claim, provider, method)
    if attempt is None:
        return await _replayed(context, stored or {})
    answer = await payments.authorize(
        context.environment, attempt.payment, attempt.transaction_id, first_time=True
    )
    return await conclude(context, attempt, answer)


async def conclude(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer | None) -> Placed:
    """Record the outcome of an attempt, unless somebody did before: then return what they recorded."""
    if answer is None or answer.outcome is Outcome.ACTION_REQUIRED:
        return await _wait(context, attempt, action_required=answer is not None)
    if answer.outcome not in _ENDED_WELL:
        return await _decline(context, attempt, answer)
    try:
        return await _place(context, attempt, answer)
    except _StockGone as gone:
        return await _give_back(context, attempt, answer, gone.short)


class _StockGone(Exception):
    """The payment was approved but the stock is gone: the transaction has to be undone."""

    def __init__(self, short: Sequence[InsufficientStock]) -> None:
        super().__init__(f"{len(short)} lines lost their stock")
        self.short = short


async def _locked(transaction: Transaction, cart_id: UUID, generation: int) -> Checkout:
    checkout = await rows.lock(transaction.connection, cart_id)
    if checkout is None or checkout.token_generation != generation:
        raise NotFound("no cart has this token", "cartToken")
    return checkout


async def _start(
    context: ServiceContext,
    transaction: Transaction,
    checkout: Checkout,
    claim: Claim,
    provider: str,
    method: str,
) -> Attempt:
    """Secure the stock and write the intent to authorize, all in the first transaction."""
    decide.check_ready(checkout)
    now = transaction.now
    if not decide.is_secured(checkout, now):
        targets = [inventory.HoldTarget(line.id, line.variant_id, line.quantity) for line in checkout.lines]
        short = await _hold(context, transaction, checkout, targets)
        if short:
            raise _shortage(short)
    payment = Payment(
        new_id(), provider, method, PaymentStatus.PENDING, checkout.currency, checkout.total_minor
    )
    attempt = Attempt(checkout, payment, new_id(), claim)
    await rows.start(
        transaction.connection,
        checkout,
        payment,
        attempt.transaction_id,
        placement={"scope": claim.scope, "key": claim.key},
        now=now,
        next_attempt_at=payments.asked_again_at(context.environment, now),
    )
    transaction.emit(_cart_event("CartCheckoutStarted", checkout, checkout.version + 1, now))
    transaction.answer({"payment": str(payment.id)})
    return attempt


async def _hold(
    context: ServiceContext,
    transaction: Transaction,
    checkout: Checkout,
    targets: Sequence[inventory.HoldTarget],
) -> list[InsufficientStock]:
    """Hold `targets`, all or none; return the shortages as the shopper is to be told of them."""
    held = await inventory.hold(
        transaction.connection,
        checkout.cart_id,
        checkout.channel_id,
        targets,
        policy=context.environment.holds.for_payment(),
        actor=transaction.actor,
        now=transaction.now,
    )
    lines = {line.id: line for line in checkout.lines}
    # What was committed a moment ago is the shopper's too, and asked for no more.
    return [
        _short_of(lines[one.line_id], lines[one.line_id].quantity - one.wanted + one.present)
        for one in held
        if one.is_short
    ]


def _short_of(line: CheckoutLine, available: int) -> InsufficientStock:
    return InsufficientStock(line.sku, line.quantity, available, "cartToken")


def _shortage(short: Sequence[InsufficientStock]) -> DomainError:
    return short[0] if len(short) == 1 else Several(short)


async def _place(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer) -> Placed:
    """Commit the stock and write the order, in the second transaction."""
    order_id = new_id()
    async with context.transaction() as transaction:
        allocations = await _commit(context, transaction, attempt, order_id)
        if allocations is not None:
            return await _save(context, transaction, attempt, answer, order_id, allocations)
    return await _recorded(context, attempt)


async def _commit(
    context: ServiceContext, transaction: Transaction, attempt: Attempt, order_id: UUID
) -> list[Allocation] | None:
    """Turn the cart's holds into the order's stock; what expired meanwhile is secured again.

    None when the attempt was concluded before. Raises _StockGone.
    """
    checkout, connection = attempt.checkout, transaction.connection
    allocations = await rows.commit_stock(
        connection,
        checkout.cart_id,
        attempt.transaction_id,
        order_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if allocations is None:
        return None
    rest = decide.unsecured(checkout, allocations)
    if rest:
        targets = [
            inventory.HoldTarget(line.id, line.variant_id, rest[line.id])
            for line in checkout.lines
            if line.id in rest
        ]
        short = await _hold(context, transaction, checkout, targets)
        if short:
            raise _StockGone(short)
        more = await inventory.commit_holds(
            connection, checkout.cart_id, order_id, actor=transaction.actor, now=transaction.now
        )
        allocations += [
            Allocation(one.line_id, one.variant_id, one.location_id, one.quantity) for one in more
        ]
    return allocations


async def _save(
    context: ServiceContext,
    transaction: Transaction,
    attempt: Attempt,
    answer: ProviderAnswer,
    order_id: UUID,
    allocations: Sequence[Allocation],
) -> Placed:
    checkout, now = attempt.checkout, transaction.now
    payment = _answered(attempt.payment, answer, order_id)
    placement = decide.place(
        checkout, order_id, allocations, payment, needs_review=answer.needs_review, now=now
    )
    saved = await rows.save(
        transaction.connection, checkout, placement, attempt.transaction_id, answer.reference
    )
    order = replace(placement.order, number=saved.number)
    transaction.emit(
        _order_placed(order, len(placement.lines)),
        _cart_event("CartCompleted", checkout, saved.cart_version, now),
    )
    transaction.answer_later(attempt.claim, {"order": str(order.id), "payment": str(payment.id)})
    token = context.environment.tokens.sign("order", order.id, order.token_generation)
    return Placed(payment, order, token, replace(placement, order=order))


async def _decline(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer) -> Placed:
    code = answer.decline_code or "declined"
    async with context.transaction() as transaction:
        version = await payment_rows.decline(
            transaction.connection,
            attempt.checkout.cart_id,
            attempt.transaction_id,
            decline_code=code,
            reference=answer.reference,
            now=transaction.now,
        )
        if version is not None:
            transaction.emit(_cart_event("CartPaymentDeclined", attempt.checkout, version, transaction.now))
            transaction.answer_later(attempt.claim, {"payment": str(attempt.payment.id), "declined": code})
    if version is None:
        return await _recorded(context, attempt)
    raise PaymentDeclined(code)


async def _wait(context: ServiceContext, attempt: Attempt, *, action_required: bool) -> Placed:
    async with context.transaction() as transaction:
        await payment_rows.postpone(
            transaction.connection,
            attempt.transaction_id,
            next_attempt_at=transaction.now + payments.pause_after(attempt.attempts),
            action_required=action_required,
        )
    status = PaymentStatus.ACTION_REQUIRED if action_required else PaymentStatus.PENDING
    return Placed(replace(attempt.payment, status=status))


async def _give_back(
    context: ServiceContext, attempt: Attempt, answer: ProviderAnswer, short: Sequence[InsufficientStock]
) -> Placed:
    """Never paid without stock: give the payment up, and the cart back to its shopper."""
    payment = _answered(attempt.payment, answer, None)
    void_id = new_id()
    async with context.transaction() as transaction:
        now = transaction.now
        version = await payment_rows.approve_without_stock(
            transaction.connection,
            attempt.checkout.cart_id,
            attempt.transaction_id,
            void_id,
            status=payment.status,
            authorized_minor=payment.authorized_minor,
            reference=answer.reference,
            now=now,
            next_attempt_at=payments.asked_again_at(context.environment, now),
        )
        if version is not None:
            transaction.emit(_cart_event("CartStockLost", attempt.checkout, version, now, short[0]))
            transaction.answer_later(
                attempt.claim,
                {
                    "payment": str(payment.id),
                    "short": [[one.sku, one.requested, one.available] for one in short],
                },
            )
    if version is None:
        return await _recorded(context, attempt)
    await payments.void(context, payment, void_id, answer.reference)
    raise _shortage(short)


async def _recorded(context: ServiceContext, attempt: Attempt) -> Placed:
    """Return what somebody else (the sweep, or the request it overtook) recorded of this attempt."""
    async with context.read() as connection:
        stored = await idempotency.find(connection, attempt.claim)
    return await _replayed(context, stored)


async def _replayed(context: ServiceContext, stored: dict[str, Any]) -> Placed:
    """Answer from what is stored under the key; raises what was raised then."""
    if "declined" in stored:
        raise PaymentDeclined(stored["declined"])
    if "short" in stored:
        raise _shortage([InsufficientStock(*facts, "cartToken") for facts in stored["short"]])
    payment_id = UUID(stored["payment"])
    async with context.read() as connection:
        payment = (await payment_rows.by_ids(connection, [payment_id]))[payment_id]
        if "order" not in stored:
            return Placed(payment)
        order_id = UUID(stored["order"])
        order = (await order_rows.by_ids(connection, [order_id]))[order_id]
    token = context.environment.tokens.sign("order", order.id, order.token_generation)
    return Placed(payment, order, token)


def _answered(payment: Payment, answer: ProviderAnswer, order_id: UUID | None) -> Payment:
    authorized = min(answer.amount_minor, payment.amount_minor)
    deferred = answer.outcome is Outcome.DEFERRED
    status = PaymentStatus.PENDING if deferred else PaymentStatus.AUTHORIZED
    return replace(payment, status=status, authorized_minor=authorized, order_id=order_id)


def _order_placed(order: Order, line_count: int) -> Event:
    return Event(
        kind="OrderPlaced",
        aggregate="order",
        aggregate_id=order.id,
        version=order.version,
        occurred_at=order.placed_at,
        channel_id=order.channel_id,
        payload={
            "number": order.number,
            "status": order.status.value,
            "totalMinor": order.total_minor,
            "currency": order.currency,
            "lines": line_count,
        },
    )


def _cart_event(
    kind: str, checkout: Checkout, version: int, now: datetime, short: InsufficientStock | None = None
) -> Event:
    return Event(
        kind=kind,
        aggregate="cart",
        aggregate_id=checkout.cart_id,
        version=version,
        occurred_at=now,
        channel_id=checkout.channel_id,
        payload={"sku": short.sku, "quantity": short.requested} if short else {},
    )
