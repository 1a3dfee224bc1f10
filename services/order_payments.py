"""Use cases of payments that are asked for after an order was placed: each an intent, a call, an outcome."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from domain import order_payments as decide
from domain import payment_terms
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.keys import check_key
from domain.kernel.money import Amount
from domain.order_edits import is_paid_for, untaken_minor
from domain.order_payments import Concluded
from domain.orders import Order
from domain.payment_changes import Change, replaced
from domain.payment_means import NO_MEANS, PaymentMeans
from domain.payments import GivenUp, Payment, PaymentStatus, PaymentTransaction, TransactionKind
from domain.ports import Outcome, ProviderAnswer
from persistence import orders as order_rows
from persistence import payment_changes as rows
from persistence import payments as payment_rows
from persistence.idempotency import Claim, claim_for
from persistence.payment_changes import LockedPayments
from services import order_holds, payment_calls, payment_captures, payment_facts, payments
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.payment_attempts import awaited_action

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Created:
    """A payment that was asked for, and its order as it now is; `action` is what its payer has to do."""

    order: Order
    payment: Payment
    action: Mapping[str, str] | None = None
    """What the shopper has to do, while it is ACTION_REQUIRED."""


async def create(
    context: ServiceContext,
    order_id: UUID,
    provider: str,
    method: str,
    amount: Amount | None,
    key: str,
    means: PaymentMeans = NO_MEANS,
) -> Created:
    """Ask for what is due of an open order, or for a part of it, with one more payment.

    Raises NotFound, InvalidInput, IllegalTransition (the order is not open, nothing is due),
    AmountTooLarge and PaymentDeclined. A payment that is PENDING or ACTION_REQUIRED is decided later; the
    same key then tells.
    """
    require(context.actor, Permission.PAYMENTS_WRITE)
    asked = amount and [str(amount.amount), amount.currency]
    claim = claim_for(
        f"orderPaymentCreate:{context.actor.label}",
        check_key(key),
        [str(order_id), provider, method, asked, *means.to_json().items()],
    )
    return await ask(context, provider, method, claim, means, partial(_wanted, order_id, amount))


Wanted = Callable[[Transaction], Awaitable[tuple[LockedPayments, int]]]
"""Locks the order that a payment is of, and says how much is to be asked for, in minor units."""


async def ask(
    context: ServiceContext, provider: str, method: str, claim: Claim, means: PaymentMeans, wanted: Wanted
) -> Created:
    """Ask for what is `wanted` of an order, for a use case that has seen who may; as `create` does."""
    intended = None
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is None:
            payments.provider_for(context.environment, provider, method)
            payment_terms.check_reference(provider, method, means)
            locked, amount = await wanted(transaction)
            intended = await _intend(context, transaction, locked, provider, method, amount, means)
            stored = _facts(*intended)
            transaction.answer(stored)
    if intended is not None:
        payment, request = intended
        answer = await payments.authorize(context.environment, payment, request.id, means)
        if answer is not None and payment.order_id is not None:
            await conclude(context, payment.order_id, request, answer)
    return await _now(context, stored)


async def conclude(
    context: ServiceContext,
    order_id: UUID,
    request: PaymentTransaction,
    answer: ProviderAnswer,
    *,
    attempts: int = 0,
) -> None:
    """Record what a provider answered, unless somebody did before; what waited for the money goes on."""
    async with context.transaction() as transaction:
        locked = await rows.lock(transaction.connection, order_id=order_id)
        if locked is None or locked.is_settled(request.id):
            return
        concluded = _concluded(context, transaction, locked, request, answer)
        if concluded is None:
            await payment_rows.postpone(
                transaction.connection,
                request.id,
                next_attempt_at=transaction.now + payments.pause_after(attempts),
                action=answer.action or {},
            )
            return
        order, changes = await _write(context, transaction, locked, concluded)
    after = replaced(locked.payments, changes)
    await payment_calls.carry_out(context, order, after, changes)


async def give_up(context: ServiceContext, order_id: UUID, request: PaymentTransaction, why: GivenUp) -> None:
    """Record that a payment came to nothing because its provider did not answer: what is due is due again.

    It may have been approved all the same, so that the sweep looks for it, and voids it.
    """
    void = why is GivenUp.NO_ANSWER
    async with context.transaction() as transaction:
        locked = await rows.lock(transaction.connection, order_id=order_id)
        if locked is None or locked.is_settled(request.id):
            return
        payment = locked.payment(request.payment_id)
        concluded = decide.give_up(payment, request, why, transaction.now, void=void)
        await _write(context, transaction, locked, concluded)
    _log.error(
        "payment_given_up",
        reason=why,
        provider=payment.provider,
        payment_id=str(payment.id),
        voiding=void,
    )


def is_first(payment: Payment) -> bool:
    """Say whether an authorization that is asked for is a payment's first: nobody has named it yet."""
    return payment.reference is None


async def _wanted(
    order_id: UUID, amount: Amount | None, transaction: Transaction
) -> tuple[LockedPayments, int]:
    locked = await rows.lock(transaction.connection, order_id=order_id)
    if locked is None:
        raise NotFound("there is no such order", "id")
    due = decide.due_of(locked.order, locked.payments)
    return locked, decide.amount_of(locked.order, due, amount)


async def _intend(
    context: ServiceContext,
    transaction: Transaction,
    locked: LockedPayments,
    provider: str,
    method: str,
    amount_minor: int,
    means: PaymentMeans,
) -> tuple[Payment, PaymentTransaction]:
    payment, request = decide.intend(locked.order, provider, method, amount_minor, transaction.now)
    due_at = payment_terms.due_at(provider, method, locked.payment_terms_days, transaction.now)
    payment = replace(payment, buyer_reference=means.reference, due_at=due_at)
    payments.check_request(context.environment, payment, means)
    order = payments.order_with_payments(locked.order, [*locked.payments, payment])
    await rows.add(
        transaction.connection,
        order,
        payment,
        request,
        means,
        next_attempt_at=payments.asked_again_at(context.environment, transaction.now),
    )
    transaction.emit(_event("PaymentRequested", transaction, order, payment, request))
    return payment, request


def _concluded(
    context: ServiceContext,
    transaction: Transaction,
    locked: LockedPayments,
    request: PaymentTransaction,
    answer: ProviderAnswer,
) -> Concluded | None:
    if answer.outcome is not Outcome.ACTION_REQUIRED:
        known = locked.transactions_of(request.payment_id)
        given_up = any(one.kind is TransactionKind.VOID for one in known)
        return decide.conclude(
            locked.order, locked.payments, request, answer, transaction.now, given_up=given_up
        )
    longest = timedelta(seconds=context.environment.payment_give_up_seconds)
    if transaction.now - request.requested_at < longest:
        return None
    payment = locked.payment(request.payment_id)
    return decide.give_up(payment, request, GivenUp.NO_ACTION, transaction.now, reference=answer.reference)


async def _write(
    context: ServiceContext, transaction: Transaction, locked: LockedPayments, concluded: Concluded
) -> tuple[Order, list[Change]]:
    changes = [Change(concluded.payment, one) for one in concluded.transactions]
    after = replaced(locked.payments, changes)
    order = payments.order_with_payments(locked.order, after)
    captures = payment_captures.at_opening(
        locked.capture_policy, order, after, transaction.now, untaken_minor(order.cost_minor, after)
    )
    changes += captures
    await payment_facts.save(context, transaction, order, changes)
    is_used = concluded.payment.counts and concluded.void is None
    kind = "PaymentAuthorized" if is_used else "PaymentFailed"
    transaction.emit(
        _event(kind, transaction, order, concluded.payment, concluded.request),
        *payment_facts.events_of(order, changes, transaction.now),
    )
    if is_used and is_paid_for(order.cost_minor, after, later=not locked.hold_unpaid):
        order = await order_holds.release_unpaid(transaction, order.id)
    return order, changes


async def _now(context: ServiceContext, stored: dict[str, Any]) -> Created:
    """Return a payment and its order as they are; raises PaymentDeclined for one that came to nothing."""
    payment_id, request_id = UUID(stored["payment"]), UUID(stored["request"])
    async with context.read() as connection:
        payment = (await payment_rows.by_ids(connection, [payment_id]))[payment_id]
        request = (await rows.by_ids(connection, [request_id]))[request_id]
        decide.check_not_failed(payment, request)
        assert payment.order_id is not None, "it was asked for of one"  # noqa: S101
        order = (await order_rows.by_ids(connection, [payment.order_id]))[payment.order_id]
        waiting = payment.status is PaymentStatus.ACTION_REQUIRED
        action = await awaited_action(context, connection, payment) if waiting else None
    return Created(order, payment, action)


def _facts(payment: Payment, request: PaymentTransaction) -> dict[str, Any]:
    return {"payment": str(payment.id), "request": str(request.id)}


def _event(
    kind: str, transaction: Transaction, order: Order, payment: Payment, request: PaymentTransaction
) -> Event:
    event = payments.payment_event(kind, order, payment, transaction.now)
    facts = {**event.payload, "amountMinor": request.amount_minor, "currency": payment.currency}
    if request.decline_code is not None:
        facts["declineCode"] = request.decline_code
    return replace(event, payload=facts)
