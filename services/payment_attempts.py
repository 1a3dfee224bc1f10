"""Attempts to pay for a cart, and how those end that do not become an order.

Each ending gives the cart back to its shopper, and is recorded once: whoever comes second (the
request, or the sweep that overtook it) returns what the first has recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carts import comes_back
from domain.checkouts import Checkout
from domain.kernel.errors import DomainError, InsufficientStock, PaymentDeclined, Several
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.order_placement import Placement
from domain.order_reviews import Evaluation
from domain.orders import Order
from domain.payment_changes import Change
from domain.payment_means import NO_MEANS, PaymentMeans
from domain.payments import Payment, PaymentStatus
from domain.ports import Outcome, ProviderAnswer
from domain.stored_values import is_stored_value
from persistence import checkout_risk, idempotency
from persistence import orders as order_rows
from persistence import payments as rows
from persistence.idempotency import Claim
from services import payments, stored_value_tenders
from services.context import ServiceContext, Transaction

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A checkout whose payment was asked for."""

    checkout: Checkout
    payment: Payment
    transaction_id: UUID
    claim: Claim
    found: Evaluation
    """What rules found before the payment was asked for: kept with the intent, or an order would not wait."""
    attempts: int = 0
    means: PaymentMeans = NO_MEANS


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an attempt: an order, or a payment whose outcome is not known yet.

    `placement` has the order's parts when this call wrote them, so that nobody reads them again, and
    `action` what the storefront needs to let the shopper act while the payment is ACTION_REQUIRED.
    """

    payment: Payment
    order: Order | None = None
    order_token: str | None = None
    placement: Placement | None = None
    captures: tuple[Change, ...] = ()
    """What this call intends to capture of it."""
    action: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an approved payment is given up.

    `kind` and `short` make the cart's event, `kept` is what the key answers with from then on,
    `reason` is recorded beside the approval for staff.
    """

    reason: str
    kind: str
    error: DomainError
    kept: Mapping[str, Any]
    short: InsufficientStock | None = None


def stock_lost(short: Sequence[InsufficientStock]) -> Refusal:
    """Refuse an approval that came too late for the stock."""
    facts = [[one.sku, one.requested, one.available] for one in short]
    return Refusal("out_of_stock", "CartStockLost", shortage(short), {"short": facts}, short[0])


def declined(code: str) -> Refusal:
    """Refuse an approval ourselves, for a reason the shopper is told as a decline code."""
    return Refusal(code, "CartPaymentDeclined", PaymentDeclined(code), {"declined": code})


async def refuse(transaction: Transaction, attempt: Attempt) -> None:
    """Record that rules turned a locked cart down before anybody was asked for money: a decline of ours.

    The caller raises it once the transaction has ended, and so does the same key from then on.
    """
    code, checkout = attempt.found.decline_code, attempt.checkout
    returns = comes_back(checkout.status)
    version = await checkout_risk.refuse(
        transaction.connection,
        checkout,
        attempt.payment,
        attempt.transaction_id,
        placement={"reasons": attempt.found.to_json()},
        decline_code=code,
        now=transaction.now,
    )
    if returns:
        transaction.emit(cart_event("CartReactivated", checkout, version, transaction.now))
    transaction.emit(cart_event("CartPaymentDeclined", checkout, version, transaction.now))
    transaction.answer({"payment": str(attempt.payment.id), "declined": code})
    log_refusal(attempt.found, attempt.payment)


def log_refusal(found: Evaluation, payment: Payment) -> None:
    """Log that rules turned an order down, and which: nothing of the shopper."""
    codes = [reason.code.value for reason in found.reasons]
    _log.info("order_declined_by_rules", code=found.decline_code, found=codes, payment_id=str(payment.id))


async def decline(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer) -> Placed:
    """Record that the provider said no; raises PaymentDeclined, which the same key does again."""
    code = answer.decline_code or "declined"
    async with context.transaction() as transaction:
        version = await rows.decline(
            transaction.connection,
            attempt.checkout.cart_id,
            attempt.transaction_id,
            decline_code=code,
            reference=answer.reference,
            now=transaction.now,
        )
        if version is not None:
            await stored_value_tenders.release(transaction, attempt.payment, attempt.checkout)
            transaction.emit(cart_event("CartPaymentDeclined", attempt.checkout, version, transaction.now))
            transaction.answer_later(attempt.claim, {"payment": str(attempt.payment.id), "declined": code})
    if version is None:
        return await recorded(context, attempt)
    raise PaymentDeclined(code)


async def expire(
    context: ServiceContext, attempt: Attempt, reason: str, reference: str | None, *, void: bool
) -> Placed:
    """Give up an attempt that nobody has decided for too long, and open its cart again.

    With `void` the provider is told as soon as it can be; `reference` is its name for the payment, if
    it gave one. Raises PaymentDeclined with our `reason`, and so does the same key from then on.
    """
    async with context.transaction() as transaction:
        version = await rows.decline(
            transaction.connection,
            attempt.checkout.cart_id,
            attempt.transaction_id,
            decline_code=reason,
            reference=reference,
            now=transaction.now,
            void_id=new_id() if void else None,
        )
        if version is not None:
            await stored_value_tenders.release(transaction, attempt.payment, attempt.checkout)
            transaction.emit(cart_event("CartPaymentExpired", attempt.checkout, version, transaction.now))
            transaction.answer_later(attempt.claim, {"payment": str(attempt.payment.id), "declined": reason})
    if version is None:
        return await recorded(context, attempt)
    _log.error(
        "payment_given_up",
        reason=reason,
        provider=attempt.payment.provider,
        payment_id=str(attempt.payment.id),
        voiding=void,
    )
    raise PaymentDeclined(reason)


async def wait(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer | None) -> Placed:
    """Leave an attempt whose outcome is not known yet to the sweep; with an answer the shopper has to act."""
    action = (answer.action or {}) if answer is not None else None
    async with context.transaction() as transaction:
        await rows.postpone(
            transaction.connection,
            attempt.transaction_id,
            next_attempt_at=transaction.now + payments.pause_after(attempt.attempts),
            action=action,
        )
    status = PaymentStatus.PENDING if answer is None else PaymentStatus.ACTION_REQUIRED
    return Placed(replace(attempt.payment, status=status), action=action)


async def give_back(
    context: ServiceContext, attempt: Attempt, answer: ProviderAnswer, refusal: Refusal
) -> Placed:
    """Give up a payment that was approved, and the cart back to its shopper: never paid without an order.

    Raises what `refusal` says, and so does the same key from then on.
    """
    payment = answered(attempt.payment, answer, None)
    # What was taken from a balance goes back to it in this transaction: nobody is to be asked.
    void_id = None if is_stored_value(payment) else new_id()
    async with context.transaction() as transaction:
        now = transaction.now
        version = await rows.approve_in_vain(
            transaction.connection,
            attempt.checkout.cart_id,
            attempt.transaction_id,
            void_id,
            status=payment.status,
            authorized_minor=payment.authorized_minor,
            reference=answer.reference,
            reason=refusal.reason,
            now=now,
            next_attempt_at=payments.asked_again_at(context.environment, now),
        )
        if version is not None:
            await stored_value_tenders.release(transaction, attempt.payment, attempt.checkout)
            transaction.emit(cart_event(refusal.kind, attempt.checkout, version, now, refusal.short))
            transaction.answer_later(attempt.claim, {"payment": str(payment.id), **refusal.kept})
    if version is None:
        return await recorded(context, attempt)
    if void_id is not None:
        await payments.void(context, payment, void_id, answer.reference)
    raise refusal.error


async def recorded(context: ServiceContext, attempt: Attempt) -> Placed:
    """Return what somebody else (the sweep, or the request it overtook) recorded of this attempt."""
    async with context.read() as connection:
        stored = await idempotency.find(connection, attempt.claim)
    return await replayed(context, stored)


async def replayed(context: ServiceContext, stored: dict[str, Any]) -> Placed:
    """Answer from what is stored under the key; raises what was raised then."""
    if "declined" in stored:
        raise PaymentDeclined(stored["declined"])
    if "short" in stored:
        raise shortage([InsufficientStock(*facts, "cartToken") for facts in stored["short"]])
    payment_id = UUID(stored["payment"])
    async with context.read() as connection:
        payment = (await rows.by_ids(connection, [payment_id]))[payment_id]
        if "order" not in stored:
            waiting = payment.status is PaymentStatus.ACTION_REQUIRED
            return Placed(
                payment, action=await awaited_action(context, connection, payment) if waiting else None
            )
        order_id = UUID(stored["order"])
        order = (await order_rows.by_ids(connection, [order_id]))[order_id]
    token = context.environment.tokens.sign("order", order.id, order.token_generation)
    return Placed(payment, order, token)


async def awaited_action(
    context: ServiceContext, connection: AsyncConnection, payment: Payment
) -> dict[str, str] | None:
    """Return what the shopper has to do, and let the sweep look soon: who asks may just have done it."""
    now = context.now()
    leased_until = payments.asked_again_at(context.environment, now)
    return await rows.awaited_action(connection, payment.id, now=now, leased_until=leased_until)


def answered(payment: Payment, answer: ProviderAnswer, order_id: UUID | None) -> Payment:
    """Return a payment as the provider has answered it."""
    # What is approved for another amount is given up; until then no more counts than was asked for.
    authorized = max(0, min(answer.amount_minor, payment.amount_minor))
    deferred = answer.outcome is Outcome.DEFERRED
    status = PaymentStatus.PENDING if deferred else PaymentStatus.AUTHORIZED
    return replace(
        payment,
        status=status,
        authorized_minor=authorized,
        order_id=order_id,
        reference=answer.reference,
        expires_at=answer.expires_at,
    )


def shortage(short: Sequence[InsufficientStock]) -> DomainError:
    """Return shortages as the one error to raise."""
    return short[0] if len(short) == 1 else Several(short)


def cart_event(
    kind: str, checkout: Checkout, version: int, now: datetime, short: InsufficientStock | None = None
) -> Event:
    """Return an event of the cart at the till; `short` is what it lacked."""
    return Event(
        kind=kind,
        aggregate="cart",
        aggregate_id=checkout.cart_id,
        version=version,
        occurred_at=now,
        channel_id=checkout.channel_id,
        payload={"sku": short.sku, "quantity": short.requested} if short else {},
    )
