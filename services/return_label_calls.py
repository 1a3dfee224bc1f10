"""Asking carriers for labels of returns: after the intent is committed, before its outcome is.

As with labels of parcels that go out: the carrier is asked under a key of its own, the outcome written;
whoever dies in between, the next who looks finds out what became of it and goes on. No request of a shopper
waits for it: the job `buy_return_labels` does it.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from domain import labels as label_rules
from domain import return_parcels as decide
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, Label, ReturnLabeler
from domain.kernel.errors import LabelRefused
from domain.return_parcels import ParcelSource, ReturnLabelAsk
from domain.returns import Return, ReturnStatus, return_event
from domain.shipments import LabelState
from persistence import return_parcels as rows
from persistence import returns as return_rows
from services import return_records
from services.context import Environment, ServiceContext, Transaction
from services.label_calls import NOT_TAKEN_BACK, known_label, takes_back
from services.one_by_one import passed_over
from services.return_records import LockedReturns

MOST_AT_ONCE = 20
"""Labels that are asked for side by side of one carrier, twice as many for moments."""
# How often a sweep that waits for one carrier looks what the others have to sell meanwhile.
_LOOK_AGAIN_SECONDS = 0.5
# Finding and buying, each within its limit, what a call goes on when nobody waits for it any more, and a
# second to record what came of it.
_CALLS = 3
_TO_RECORD = timedelta(seconds=1)

# Also the rest of what has come in part may be sent with it.
_WANTED_IN = frozenset({ReturnStatus.APPROVED, ReturnStatus.PARTIALLY_RECEIVED})

_log = structlog.get_logger(__name__)


async def settle_due(context: ServiceContext, *, back: bool = False) -> int:
    """Buy labels that nobody is asking for now, or give those `back` whose returns were given up.

    Returns how many were looked at. Safe beside other sweeps and beside staff who wait for their answer: each
    is leased, and its outcome recorded once. A carrier that hangs keeps nobody else's labels waiting.
    """
    looked_at = 0
    asking: dict[asyncio.Task[None], ReturnLabelAsk] = {}
    try:
        while True:
            due = await _leased(context, None, _busy(asking.values()), back=back)
            looked_at += len(due)
            asking |= {asyncio.create_task(_settle(context, ask)): ask for ask in due}
            if not asking:
                return looked_at
            # All of them, or those that are quick: the others go on while more is looked for.
            over, _ = await asyncio.wait(asking, timeout=_LOOK_AGAIN_SECONDS)
            for task in over:
                _seen(asking.pop(task), task.exception())
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def settle(context: ServiceContext, return_id: UUID) -> bool:
    """Buy the label of one return now; returns False where it has none to buy, or somebody is buying it."""
    due = await _leased(context, return_id)
    ends = await asyncio.gather(*(_settle(context, ask) for ask in due), return_exceptions=True)
    for ask, error in zip(due, ends, strict=True):
        _seen(ask, error)
    return bool(due)


async def tell(
    transaction: Transaction, found: LockedReturns, before: Return, after: Return, kind: str, **facts: object
) -> None:
    """Write the order's next version with an event: how a return is sent belongs to it."""
    order = replace(found.placed.order, version=found.placed.order.version + 1)
    await return_rows.save(transaction.connection, before, after, order)
    transaction.emit(return_event(kind, order, after, transaction.now, **facts))


async def _leased(
    context: ServiceContext, return_id: UUID | None, busy: Collection[str] = (), *, back: bool = False
) -> list[ReturnLabelAsk]:
    now = context.now()
    limit = timedelta(seconds=context.environment.carrier_time_limit_seconds)
    async with context.read() as connection:
        return await rows.lease(
            connection,
            return_id,
            most=MOST_AT_ONCE,
            now=now,
            leased_until=now + _CALLS * limit + _TO_RECORD,
            busy=busy,
            back=back,
        )


def _busy(asked: Collection[ReturnLabelAsk]) -> set[str]:
    """Return the carriers that as many labels are being asked of as may be."""
    times = Counter(one.provider or "" for one in asked)
    return {provider for provider, count in times.items() if count >= MOST_AT_ONCE}


def _seen(ask: ReturnLabelAsk, error: BaseException | None) -> None:
    """See how one label ended: what is wrong with it keeps no other waiting."""
    if error is not None:
        passed_over("buy_return_labels", ask.return_id, error)


async def _settle(context: ServiceContext, ask: ReturnLabelAsk) -> None:
    """Find out what becomes of one label, and record it; what gets no answer is asked again later."""
    carrier: object = context.environment.carriers.get(ask.provider or "")
    try:
        if not isinstance(carrier, ReturnLabeler):
            raise _missing(ask)
        if ask.canceled:
            await _give_back(context, ask)
        else:
            await _conclude(context, ask, await _bought(context.environment, carrier, ask))
    except (CarrierUnavailable, TimeoutError):
        _log.info("label_outcome_unknown", provider=ask.provider, return_id=str(ask.return_id))
        await _ask_later(context, ask)
    except CarrierRefused as refused:
        await _refuse(context, ask, LabelRefused(refused.code, refused.message, "id"))
    except LabelRefused as refused:
        await _refuse(context, ask, refused)


def _missing(ask: ReturnLabelAsk) -> Exception:
    """Return what to raise where nobody is there to be asked; one who was asked before may come back."""
    _log.error("carrier_missing", provider=ask.provider, return_id=str(ask.return_id))
    if ask.was_asked_before or ask.canceled:
        return CarrierUnavailable()
    return LabelRefused("carrier_missing", f"the carrier {ask.provider} is not set up")


async def _bought(environment: Environment, carrier: ReturnLabeler, ask: ReturnLabelAsk) -> Label:
    """Return the label, bought once: whoever was asked before is asked first what became of that."""
    if ask.was_asked_before:
        seller = environment.carriers[ask.provider or ""]
        if (known := await known_label(environment, seller, ask.key)) is not None:
            return known
    request = ask.request()
    async with asyncio.timeout(environment.carrier_time_limit_seconds):
        return await carrier.buy_return_label(ask.key, request)


async def _give_back(context: ServiceContext, ask: ReturnLabelAsk) -> None:
    """Give the label of a return that was given up back, also one that nobody recorded."""
    carrier = context.environment.carriers[ask.provider or ""]
    reference = ask.reference
    if ask.state is LabelState.REQUESTED:
        known = await known_label(context.environment, carrier, ask.key)
        may_come = context.now() - ask.requested_at < label_rules.NEVER_ARRIVED_AFTER
        if known is None and ask.was_asked_before and may_come:
            raise CarrierUnavailable
        reference = known.reference if known else None
    taken = reference is None or await takes_back(context.environment, carrier, reference)
    async with context.transaction() as transaction:
        if taken:
            await rows.record_void(transaction.connection, ask)
        else:
            await rows.record_kept(transaction.connection, ask, NOT_TAKEN_BACK, transaction.now)


async def _conclude(context: ServiceContext, ask: ReturnLabelAsk, label: Label) -> None:
    """Record a label that was bought, in one transaction; one that is recorded is left alone."""
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=ask.return_id)
        one = found.named(ask.return_id)
        kept = await rows.keep(transaction.connection, ask, label, transaction.now)
        # Of what was given up meanwhile, or is done otherwise, nobody is told: its label goes back.
        if kept is None or kept.source is not ParcelSource.LABEL or one.status not in _WANTED_IN:
            return
        after = decide.ready(one, transaction.now, waited=kept.announced)
        told = {"provider": ask.provider, "trackingNumber": label.tracking_number}
        await tell(
            transaction,
            found,
            one,
            after,
            "ReturnReadyToSend",
            **told,
            again=kept.announced,
            generation=ask.generation,
        )


async def _refuse(context: ServiceContext, ask: ReturnLabelAsk, refused: LabelRefused) -> None:
    async with context.transaction() as transaction:
        if ask.canceled:
            await rows.record_kept(transaction.connection, ask, refused.message, transaction.now)
            return
        found = await return_records.locked(transaction, return_id=ask.return_id)
        failed = await rows.fail(transaction.connection, ask, refused, transaction.now)
        if failed is not None and failed.source is ParcelSource.LABEL:
            one = found.named(ask.return_id)
            told = {"provider": ask.provider, "code": refused.refusal, "message": refused.message}
            await tell(transaction, found, one, one, "ReturnLabelFailed", **told)


async def _ask_later(context: ServiceContext, ask: ReturnLabelAsk) -> None:
    """Ask again later; who has waited for long is told, once."""
    async with context.transaction() as transaction:
        if ask.is_late(transaction.now):
            found = await return_records.locked(transaction, return_id=ask.return_id)
            one = found.named(ask.return_id)
            waits = one.status in _WANTED_IN
            if waits and await rows.announce(transaction.connection, ask, transaction.now):
                await tell(transaction, found, one, one, "ReturnLabelDelayed", provider=ask.provider)
        again_at = transaction.now + decide.pause_after(ask.attempts)
        await rows.postpone(transaction.connection, ask, again_at)
