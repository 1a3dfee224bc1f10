"""Use cases of giving out the money of refunds without an order, once: by us, or by a payment provider.

A provider is asked between two transactions: intent (tx), call, outcome (tx). What got no answer is found out
by the sweep, which asks again under the same key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from domain import unlinked_refund_payments as decide
from domain import unlinked_refunds as rules
from domain.kernel.errors import InvalidInput
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.ledger import About
from domain.ledger_rules import unlinked_refunded
from domain.payment_callbacks import CallbackState, PaymentCallback, Step, Verdict
from domain.payments import GivenUp
from domain.ports import Outcome, ProviderAnswer, ProviderTimeout, UnreferencedRefunds
from domain.stored_values import StoredValue, check_ceiling
from domain.unlinked_refund_payments import AnswerDiffers, Target
from domain.unlinked_refunds import UnlinkedRefund, UnlinkedRefundMethod, UnlinkedRefundStatus
from persistence import stored_values
from persistence import unlinked_refund_payments as payment_rows
from persistence import unlinked_refunds as rows
from persistence.unlinked_refund_payments import DuePayment
from services import payments, unlinked_refunds
from services.access import Permission, require
from services.context import Environment, ServiceContext, Transaction
from services.one_by_one import passed_over

MOST_AT_ONCE = 20
"""Requests one sweep takes; the next takes the rest."""

_log = structlog.get_logger(__name__)


def providers(context: ServiceContext) -> list[str]:
    """Return the names of the providers that give money out without a payment of their own."""
    require(context.actor, Permission.REFUNDS_UNLINKED)
    found = context.environment.payment_providers.items()
    return sorted(name for name, provider in found if isinstance(provider, UnreferencedRefunds))


async def pay(
    context: ServiceContext,
    refund_id: UUID,
    method: UnlinkedRefundMethod,
    reference: str | None,
    expected_version: int | None,
    key: str,
    *,
    provider: str | None = None,
    destination: str | None = None,
) -> UnlinkedRefund:
    """Give the money out, once: as store credit, as a person has paid it already, or by a provider.

    By a provider it may still be PAYING when this returns: the sweep awaits its answer. Raises NotFound,
    IllegalTransition, VersionConflict and InvalidInput naming the field.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    facts = [str(refund_id), method.value, reference, expected_version]
    wanted = None
    if method is UnlinkedRefundMethod.PROVIDER:
        wanted = _able(context, decide.target(provider, destination), reference)
        facts += [wanted.provider, wanted.destination]
    elif provider is not None or destination is not None:
        raise InvalidInput("only a provider is told whereto", "provider" if provider else "destination")
    taken = unlinked_refunds.claim(context, "unlinkedRefundPay", key, facts)
    asked = None
    async with context.transaction() as transaction:
        if await transaction.replay(taken) is not None:
            return await unlinked_refunds.known(transaction, refund_id)
        before = await unlinked_refunds.locked(transaction, refund_id)
        if wanted is not None:
            after, asked = await _intend(context, transaction, before, wanted, expected_version)
        else:
            after = await _paid(transaction, before, method, reference, expected_version)
        transaction.answer({"unlinkedRefund": str(after.id)})
    if asked is None:
        return after
    answer = await _asked(context, asked)
    return after if answer is None else await _conclude(context, asked, answer)


async def settle_due(context: ServiceContext) -> int:
    """Find out what became of requests whose answer is overdue; returns how many were looked at.

    One that never arrived is sent again under the same key, for a day; then it is given up, once its provider
    says that it has no record of it. Safe beside other sweeps and beside the request
    that may still wait: they are leased, and an outcome is recorded once.
    """
    now = context.now()
    async with context.read() as connection:
        due = await payment_rows.lease_due(
            connection,
            most=MOST_AT_ONCE,
            now=now,
            leased_until=payments.asked_again_at(context.environment, now),
        )
    ends = await asyncio.gather(*(_finish(context, one) for one in due), return_exceptions=True)
    for one, error in zip(due, ends, strict=True):
        if isinstance(error, BaseException):
            passed_over("settle_unlinked_refunds", one.id, error)
    return len(due)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be done about a callback, and the events that staff are told it by once it is settled."""

    verdict: Verdict
    news: tuple[Event, ...] = ()


async def judge(transaction: Transaction, callback: PaymentCallback) -> Judged | None:
    """Say what is to be done about what a provider tells; None where it is of no refund without an order.

    One that is still open is due for the sweep at once.
    """
    named = decide.named(callback.event)
    if named is None:
        return None
    refund_id = await payment_rows.refund_of(transaction.connection, named, callback.provider)
    if refund_id is None:
        return None
    found = await unlinked_refunds.locked(transaction, refund_id)
    asked = next(one for one in found.payments if one.id == named)
    verdict = decide.judge(callback.event, asked, found.currency)
    if verdict.step is Step.ASK:
        await payment_rows.hasten(transaction.connection, named, now=transaction.now)
    if verdict.state is not CallbackState.SET_ASIDE:
        return Judged(verdict)
    return Judged(verdict, (decide.contradicted(found, callback.provider, verdict, transaction.now),))


def _able(context: ServiceContext, wanted: Target, reference: str | None) -> Target:
    """Return whom to ask, where it can be asked; raises InvalidInput."""
    if reference is not None:
        raise InvalidInput("only a payment by hand has a reference", "paymentReference")
    known = providers(context)
    if wanted.provider not in known:
        who = f"those that do: {', '.join(known)}" if known else "none that is set up here does"
        raise InvalidInput(f"gives no money out without a payment of its own; {who}", "provider")
    return wanted


async def _intend(
    context: ServiceContext,
    transaction: Transaction,
    before: UnlinkedRefund,
    wanted: Target,
    expected_version: int | None,
) -> tuple[UnlinkedRefund, DuePayment]:
    connection, now = transaction.connection, transaction.now
    after, asked = decide.requested(before, wanted, transaction.actor, now, expected_version)
    await rows.save(connection, after)
    again_at = payments.asked_again_at(context.environment, now)
    await payment_rows.create(connection, after.id, asked, wanted.destination, again_at)
    await unlinked_refunds.tell(transaction, "UnlinkedRefundPaymentRequested", before, after)
    amount = Money(asked.amount_minor, after.currency)
    return after, DuePayment(asked.id, after.id, asked.provider, wanted.destination, amount, now)


async def _paid(
    transaction: Transaction,
    before: UnlinkedRefund,
    method: UnlinkedRefundMethod,
    reference: str | None,
    expected_version: int | None,
) -> UnlinkedRefund:
    after = rules.paid(before, method, reference, transaction.actor, transaction.now, expected_version)
    if method is UnlinkedRefundMethod.STORE_CREDIT and after.paid_minor:
        after = replace(after, stored_value_id=(await _credited(transaction, after)).id)
    provider = "store_credit" if method is UnlinkedRefundMethod.STORE_CREDIT else "manual"
    await _save_paid(transaction, before, after, provider)
    return after


async def _save_paid(
    transaction: Transaction, before: UnlinkedRefund, after: UnlinkedRefund, provider: str
) -> None:
    await rows.save(transaction.connection, after)
    await unlinked_refunds.tell(transaction, "UnlinkedRefundPaid", before, after)
    about, tax = About(after.channel_id, after.currency), rules.worth(before).tax_minor
    transaction.post(unlinked_refunded(about, after.id, after.paid_minor, tax, provider))


async def _finish(context: ServiceContext, due: DuePayment) -> None:
    answer = await _found_out(context, due)
    after = None if answer is None else await _conclude(context, due, answer)
    if after is None or after.status is UnlinkedRefundStatus.PAYING:
        again_at = context.now() + payments.pause_after(due.attempts)
        async with context.transaction() as transaction:
            await payment_rows.postpone(transaction.connection, due.id, at=again_at)
        return
    _log.info("late_unlinked_refund", status=after.status, provider=due.provider, attempts=due.attempts)


async def _found_out(context: ServiceContext, due: DuePayment) -> ProviderAnswer | None:
    """Ask what became of a request; None when that is not known (yet)."""
    key = payments.provider_key(due.id)
    given_up = context.now() - due.requested_at >= timedelta(
        seconds=context.environment.payment_give_up_seconds
    )

    async def ask(provider: UnreferencedRefunds) -> ProviderAnswer:
        found = await provider.find_unreferenced(key)
        if found is None and given_up:
            code = GivenUp.NEVER_ARRIVED.value
            return ProviderAnswer(Outcome.DECLINED, key, due.amount.amount_minor, decline_code=code)
        return found or await _send(provider, key, due)

    return await _answer(context.environment, due, ask)


async def _asked(context: ServiceContext, due: DuePayment) -> ProviderAnswer | None:
    """Ask a provider to pay; None when the outcome is not known."""
    key = payments.provider_key(due.id)
    return await _answer(context.environment, due, lambda provider: _send(provider, key, due))


async def _send(provider: UnreferencedRefunds, key: str, due: DuePayment) -> ProviderAnswer:
    answer = await provider.refund_unreferenced(key, due.destination, due.amount)
    if answer.outcome is Outcome.DECLINED:
        # It may be refused because it was done already: what is on record decides.
        return await provider.find_unreferenced(key) or answer
    return answer


async def _answer(
    environment: Environment,
    asked: DuePayment,
    ask: Callable[[UnreferencedRefunds], Awaitable[ProviderAnswer]],
) -> ProviderAnswer | None:
    """Ask a provider within its time limit; None when the outcome is not known."""
    provider: object = environment.payment_providers.get(asked.provider)
    if not isinstance(provider, UnreferencedRefunds):
        _log.error("payment_provider_missing", provider=asked.provider, unlinked_refund=str(asked.refund_id))
        return None
    try:
        async with asyncio.timeout(environment.payment_time_limit_seconds):
            return await ask(provider)
    except (ProviderTimeout, TimeoutError):
        _log.info("payment_outcome_unknown", provider=asked.provider, unlinked_refund=str(asked.refund_id))
        return None


async def _conclude(context: ServiceContext, due: DuePayment, answer: ProviderAnswer) -> UnlinkedRefund:
    """Record a provider's answer, once; returns the refund as it then is.

    An answer of another amount is not believed: the request stays open until a person has seen to it.
    """
    async with context.transaction() as transaction:
        before = await unlinked_refunds.locked(transaction, due.refund_id)
        asked = next(one for one in before.payments if one.id == due.id)
        if asked.settled_at is not None:
            return before
        try:
            concluded = decide.concluded(before, asked, answer, transaction.now)
        except AnswerDiffers as differs:
            _log.error("unlinked_refund_amount_mismatch", payment=str(due.id), difference=str(differs))
            return before
        if concluded is None:
            return before
        after, settled = concluded
        await payment_rows.settle(transaction.connection, settled)
        if after.status is UnlinkedRefundStatus.PAID:
            await _save_paid(transaction, before, after, due.provider)
        else:
            await rows.save(transaction.connection, after)
            await unlinked_refunds.tell(transaction, "UnlinkedRefundPaymentFailed", before, after)
    return after


async def _credited(transaction: Transaction, after: UnlinkedRefund) -> StoredValue:
    """Add what is paid to the customer's store credit: its ledger entry is the refund's own."""
    email = after.recipient.email
    assert email is not None, "asked for by the decision"  # noqa: S101
    credit = check_ceiling(
        await stored_values.issue_credit(
            transaction.connection,
            new_id(),
            email,
            after.currency,
            after.paid_minor,
            f"refund {after.number}",
            actor=transaction.actor,
            now=transaction.now,
        )
    )
    facts = {
        "kind": credit.kind.value,
        "amountMinor": after.paid_minor,
        "balanceMinor": credit.balance_minor,
        "currency": credit.currency,
    }
    transaction.emit(
        Event("StoreCreditIssued", "stored_value", credit.id, credit.version, transaction.now, None, facts)
    )
    return credit
