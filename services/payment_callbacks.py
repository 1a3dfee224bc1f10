"""What providers tell by themselves: stored once, then applied to the payment that it is about.

A fact about what we have asked for only makes the sweep ask at once: the provider's answer is the truth.
A fact about what we have not asked for (a refund in the provider's dashboard, a chargeback) is recorded.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from domain import payment_callbacks as decide
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.keys import check_key
from domain.kernel.quantities import require_text
from domain.kernel.transitions import check_transition
from domain.orders import Order
from domain.payment_callbacks import CallbackState, PaymentCallback, Reason, Step, Verdict
from domain.payments import Payment, PaymentTransaction
from domain.ports import CallbackReader
from persistence import payment_callbacks as rows
from persistence import payment_changes
from persistence import payments as payment_rows
from persistence.idempotency import claim_for
from persistence.payment_callbacks import DueCallback
from persistence.payment_changes import LockedPayments
from services import audit, payments, unlinked_refund_payments
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.payment_facts import record_change

MOST_AT_ONCE = 20
"""Callbacks taken at once, side by side; a run goes on until fewer are due."""
MAX_NOTE_LENGTH = 500
_LEASE_SECONDS = 30
_LONGEST_PAUSE = timedelta(seconds=60)

_log = structlog.get_logger(__name__)


async def receive(
    context: ServiceContext, provider_name: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, int]:
    """Store what a provider calls back with, each event once; returns how many events, and how many new.

    Nothing else is done before the provider has its answer. Raises NotFound for a provider that does not
    exist or does not call back, CallbackRefused for what is not from it, and ValueError for what is and
    cannot be read.
    """
    provider: object = context.environment.payment_providers.get(provider_name)
    if not isinstance(provider, CallbackReader):
        raise NotFound("no such provider calls back")
    now = context.now()
    events = [decide.check_readable(one) for one in provider.read_callback(headers, body, now)]
    if not events:
        return 0, 0
    async with context.read() as connection:
        return len(events), await rows.store(connection, provider_name, events, now=now)


async def apply_due(context: ServiceContext) -> Counter[CallbackState]:
    """Apply callbacks that are due; returns how many ended in which state.

    Safe beside another run: callbacks are leased, and settled once, under the lock of their order.
    """
    ended: Counter[CallbackState] = Counter()
    taken = MOST_AT_ONCE
    while taken == MOST_AT_ONCE:
        now = context.now()
        async with context.read() as connection:
            due = await rows.lease_due(
                connection,
                most=MOST_AT_ONCE,
                now=now,
                leased_until=now + timedelta(seconds=_LEASE_SECONDS),
            )
        by_payment: dict[UUID | None, list[DueCallback]] = {}
        for one in due:
            by_payment.setdefault(one.callback.payment_id, []).append(one)
        for states in await asyncio.gather(*(_apply_each(context, some) for some in by_payment.values())):
            ended.update(states)
        taken = len(due)
    return ended


async def count_set_aside(context: ServiceContext) -> int:
    """Return how many callbacks wait for a person."""
    async with context.read() as connection:
        return await rows.count_set_aside(connection)


async def page(
    context: ServiceContext,
    state: CallbackState | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[PaymentCallback]:
    """Return callbacks from the oldest on, one more than the page has if there are more."""
    require(context.actor, Permission.PAYMENTS_READ)
    async with context.read() as connection:
        return await rows.page(connection, state, size + 1, after)


async def resolve(context: ServiceContext, callback_id: UUID, note: str, key: str) -> PaymentCallback:
    """Record what was done about a callback that was set aside: it changes no payment.

    Raises NotFound, InvalidInput, and IllegalTransition for one that is not set aside; repeating it
    changes nothing.
    """
    require(context.actor, Permission.PAYMENTS_WRITE)
    note = require_text(note, MAX_NOTE_LENGTH, "note")
    scope = f"paymentCallbackResolve:{context.actor.label}"
    claim = claim_for(scope, check_key(key), [str(callback_id), note])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        callback = await rows.by_id(transaction.connection, callback_id, lock=True)
        if callback is None:
            raise NotFound("no callback has this id", "id")
        if stored is not None:
            return callback
        transaction.answer({"callback": str(callback_id)})
        if not check_transition(
            decide.CALLBACK_TRANSITIONS, callback.state, CallbackState.RESOLVED, "the callback"
        ):
            return callback
        resolved = await rows.resolve(
            transaction.connection, callback_id, note, actor=transaction.actor, now=transaction.now
        )
        await audit.record(
            transaction, "PaymentCallbackResolved", "payment_callback", callback_id, callback, resolved
        )
    return resolved


@dataclass(frozen=True, slots=True)
class _Found:
    """What a callback is about, locked where there is an order."""

    payment: Payment | None = None
    transactions: Sequence[PaymentTransaction] = ()
    locked: LockedPayments | None = None


async def _apply_each(context: ServiceContext, due: Sequence[DueCallback]) -> list[CallbackState]:
    """Apply callbacks of one payment, one after the other; one that fails keeps no other waiting."""
    states = []
    for one in due:
        (end,) = await asyncio.gather(_apply(context, one), return_exceptions=True)
        if isinstance(end, CallbackState):
            states.append(end)
        elif isinstance(end, Exception):  # due again when its lease ends
            _log.error("payment_callback_failed", callback_id=str(one.callback.id), exc_info=end)
        else:
            raise end
    return states


async def _apply(context: ServiceContext, due: DueCallback) -> CallbackState:
    """Do with one callback what its payment allows now; returns the state it is in then."""
    callback = due.callback
    async with context.transaction() as transaction:
        connection, now = transaction.connection, transaction.now
        found = await _find(transaction, due)
        judged = None if found.payment else await unlinked_refund_payments.judge(transaction, callback)
        if not await rows.lock_received(connection, callback.id):
            return callback.state  # somebody else has settled it
        if found.payment is not None and found.payment.order_id != due.order_id:
            # Placed since we looked, so that its order is not locked.
            await rows.postpone(connection, callback.id, next_attempt_at=now)
            return callback.state
        is_late = now - callback.received_at > timedelta(seconds=context.environment.callback_grace_seconds)
        if judged is not None:
            verdict = judged.verdict
        else:
            verdict = decide.judge(callback.event, found.payment, found.transactions, is_late=is_late)
        if verdict.step in {Step.WAIT, Step.ASK}:
            await _wait(transaction, callback, verdict)
            return callback.state
        order = found.locked.order if found.locked else None
        if verdict.step is Step.RECORD:
            order = await _record(context, transaction, callback, found)
        await _settle(transaction, callback, verdict, order)
        if judged is not None:
            transaction.emit(*judged.news)
    return verdict.state


async def _find(transaction: Transaction, due: DueCallback) -> _Found:
    connection, payment_id = transaction.connection, due.callback.payment_id
    if payment_id is None:
        return _Found()
    if due.order_id is not None:
        locked = await payment_changes.lock(connection, order_id=due.order_id)
        if locked is not None:
            return _Found(locked.payment(payment_id), locked.transactions_of(payment_id), locked)
    found = await payment_rows.by_ids(connection, [payment_id])
    known = await payment_changes.transactions_of(connection, [payment_id])
    return _Found(found.get(payment_id), known.get(payment_id, ()))


async def _wait(transaction: Transaction, callback: PaymentCallback, verdict: Verdict) -> None:
    again_at = transaction.now + min(payments.pause_after(callback.attempts - 1), _LONGEST_PAUSE)
    if verdict.step is Step.ASK:
        await rows.ask_at_once(
            transaction.connection, callback, now=transaction.now, next_attempt_at=again_at
        )
    else:
        await rows.postpone(transaction.connection, callback.id, next_attempt_at=again_at)


async def _record(
    context: ServiceContext, transaction: Transaction, callback: PaymentCallback, found: _Found
) -> Order:
    """Record a movement that we have not asked for; what follows from it is left to the sweep."""
    if found.payment is None or found.locked is None:
        raise RuntimeError(f"callback {callback.id} was to be recorded without an order")
    recorded = await record_change(
        context, transaction, found.locked, found.payment.id, decide.fact_of(callback.event)
    )
    doubted = await rows.contradict(transaction.connection, callback, Reason.CONTRADICTS, now=transaction.now)
    for _ in range(doubted):
        transaction.emit(_set_aside(recorded.order, callback, Reason.CONTRADICTS, transaction.now))
    return recorded.order


async def _settle(
    transaction: Transaction, callback: PaymentCallback, verdict: Verdict, order: Order | None
) -> None:
    await rows.settle(transaction.connection, callback.id, verdict, now=transaction.now)
    if verdict.state is not CallbackState.SET_ASIDE or verdict.reason is None:
        return
    _log.warning(
        "payment_callback_set_aside",
        reason=verdict.reason,
        provider=callback.provider,
        callback_id=str(callback.id),
        payment_id=callback.payment_id and str(callback.payment_id),
    )
    if order is not None:
        transaction.emit(_set_aside(order, callback, verdict.reason, transaction.now))


def _set_aside(order: Order, callback: PaymentCallback, reason: Reason, now: datetime) -> Event:
    """Return the event that tells staff; nothing of the order changes, so its version stays."""
    return Event(
        kind="PaymentCallbackSetAside",
        aggregate="order",
        aggregate_id=order.id,
        version=order.version,
        occurred_at=now,
        channel_id=order.channel_id,
        payload={"number": order.number, "provider": callback.provider, "reason": reason.value},
    )
