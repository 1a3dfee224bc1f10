"""The sweep that finds out what became of requests to providers whose outcome never came."""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog

from domain import checkouts as decide
from domain.kernel.errors import DomainError
from domain.order_reviews import Evaluation
from domain.payment_means import PaymentMeans
from domain.payments import GivenUp, TransactionKind
from domain.ports import Outcome, ProviderAnswer
from domain.stored_values import answer_for, is_stored_value
from persistence import checkouts as checkout_rows
from persistence import payments as rows
from persistence.idempotency import Claim
from persistence.payments import DueTransaction
from services import order_payments, order_placement, payment_calls, payment_facts, payment_renewals, payments
from services import payment_attempts as attempts
from services.context import ServiceContext
from services.one_by_one import passed_over
from services.payment_attempts import Attempt, Placed

MOST_AT_ONCE = 20
"""Transactions one sweep takes; the next takes the rest."""

_log = structlog.get_logger(__name__)


async def settle_due(context: ServiceContext) -> int:
    """Finish transactions whose answer is overdue; returns how many were looked at.

    One that fails is logged and asked about again when its lease ends: it stops no other. Safe beside other
    sweeps and beside the request that may still wait for its answer: transactions are leased, and the
    outcome is recorded once.
    """
    now = context.now()
    async with context.read() as connection:
        due = await rows.lease_due(
            connection,
            most=MOST_AT_ONCE,
            now=now,
            leased_until=payments.asked_again_at(context.environment, now),
        )
    # Side by side, so that one provider that hangs does not keep the others' answers waiting.
    ends = await asyncio.gather(*(_finish(context, one) for one in due), return_exceptions=True)
    for one, error in zip(due, ends, strict=True):
        if error is not None:
            passed_over("settle_payments", one.id, error)
    return len(due)


async def _finish(context: ServiceContext, due: DueTransaction) -> None:
    if due.payment.order_id is not None:
        await _finish_change(context, due, due.payment.order_id)
    elif due.kind is TransactionKind.VOID:
        await _finish_void(context, due)
    else:
        await _finish_authorization(context, due)


async def _finish_change(context: ServiceContext, due: DueTransaction, order_id: UUID) -> None:
    """Find out what became of a request for an order's payment, and finish it."""
    if due.kind is TransactionKind.AUTHORIZATION:
        await _finish_late_authorization(context, due, order_id)
        return
    answer = await payment_calls.ask(
        context.environment, due.payment, due.transaction, again=True, authorization_id=due.authorization_id
    )
    if answer is None or answer.outcome not in {Outcome.SUCCEEDED, Outcome.DECLINED}:
        await _ask_later(context, due)
        return
    after = await payment_facts.conclude(context, order_id, due.transaction, answer, attempts=due.attempts)
    await payment_calls.carry_out(context, after.order, after.payments, after.follow)
    _log.info("late_payment_change", kind=due.kind.value, outcome=answer.outcome, attempts=due.attempts)


async def _finish_late_authorization(context: ServiceContext, due: DueTransaction, order_id: UUID) -> None:
    """Find out what became of a renewal, or of a payment asked for after its order was placed."""
    if order_payments.is_first(due.payment):
        await _finish_further_payment(context, due, order_id)
        return
    answer = await payment_renewals.ask(context.environment, due.payment, due.transaction, again=True)
    if answer is None:
        await _ask_later(context, due)
    else:
        await payment_renewals.conclude(context, order_id, due.transaction, answer)


async def _finish_further_payment(context: ServiceContext, due: DueTransaction, order_id: UUID) -> None:
    """Find out what became of a payment asked for after its order was placed; give up what never is."""
    environment, age = context.environment, context.now() - due.requested_at
    means = PaymentMeans.from_json(due.placement.get("means"))
    try:
        answer = await payments.find_out(environment, due.payment, due.id, means, age=age)
    except payments.NeverArrived:
        await order_payments.give_up(context, order_id, due.transaction, GivenUp.NEVER_ARRIVED)
        return
    if answer is not None:
        await order_payments.conclude(context, order_id, due.transaction, answer, attempts=due.attempts)
    elif age < timedelta(seconds=environment.payment_give_up_seconds):
        await _ask_later(context, due)
    else:
        is_there = due.payment.provider in environment.payment_providers
        why = GivenUp.NO_ANSWER if is_there else GivenUp.PROVIDER_MISSING
        await order_payments.give_up(context, order_id, due.transaction, why)


async def _finish_authorization(context: ServiceContext, due: DueTransaction) -> None:
    if due.cart_id is None:
        return
    async with context.read() as connection:
        checkout = await checkout_rows.lock(connection, due.cart_id, now=context.now())
    if checkout is None:
        return
    checkout = decide.as_frozen(checkout, due.placement)
    claim = Claim(due.placement["scope"], due.placement["key"], b"")
    found = Evaluation.from_json(due.placement.get("reasons", ()))
    means = PaymentMeans.from_json(due.placement.get("means"))
    attempt = Attempt(checkout, due.payment, due.id, claim, found, due.attempts, means)
    try:
        placed = await _conclude(context, attempt, age=context.now() - due.requested_at)
    except DomainError as error:
        # The shopper is told by the cart's events, and by the answer stored under their key.
        _log.info("late_payment_ended", code=error.code, cart_id=str(due.cart_id))
        return
    if placed.order is not None:
        _log.info("late_payment_placed", order_id=str(placed.order.id), attempts=due.attempts)


async def _conclude(context: ServiceContext, attempt: Attempt, *, age: timedelta) -> Placed:
    environment = context.environment
    if is_stored_value(attempt.payment):
        return await order_placement.conclude(context, attempt, answer_for(attempt.payment))
    try:
        answer = await payments.find_out(
            environment, attempt.payment, attempt.transaction_id, attempt.means, age=age
        )
    except payments.NeverArrived:
        return await attempts.expire(context, attempt, GivenUp.NEVER_ARRIVED, None, void=False)
    is_decided = answer is not None and answer.outcome is not Outcome.ACTION_REQUIRED
    if is_decided or age < timedelta(seconds=environment.payment_give_up_seconds):
        return await order_placement.conclude(context, attempt, answer)
    return await _give_up(context, attempt, answer)


async def _give_up(context: ServiceContext, attempt: Attempt, answer: ProviderAnswer | None) -> Placed:
    """Open the cart of a payment that stayed undecided; void it, unless nobody is there to be asked."""
    if attempt.payment.provider not in context.environment.payment_providers:
        return await attempts.expire(context, attempt, GivenUp.PROVIDER_MISSING, None, void=False)
    if answer is None:
        # It may have been approved all the same: a void without a reference asks first.
        return await attempts.expire(context, attempt, GivenUp.NO_ANSWER, None, void=True)
    return await attempts.expire(context, attempt, GivenUp.NO_ACTION, answer.reference, void=True)


async def _finish_void(context: ServiceContext, due: DueTransaction) -> None:
    done = await payments.void(context, due.payment, due.id, due.reference, due.authorization_id)
    if not done:
        await _ask_later(context, due)


async def _ask_later(context: ServiceContext, due: DueTransaction) -> None:
    async with context.transaction() as transaction:
        await rows.postpone(
            transaction.connection,
            due.id,
            next_attempt_at=transaction.now + payments.pause_after(due.attempts),
        )
