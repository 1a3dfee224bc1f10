"""Asking carriers for labels: after the intent is committed, before its outcome is."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from domain import labels as decide
from domain import shipment_changes
from domain.carrier_ports import Carrier, CarrierRefused, CarrierUnavailable, Label
from domain.fulfillment_events import shipment_event
from domain.kernel.errors import LabelRefused
from domain.labels import LabelAsk
from domain.shipments import LabelState
from persistence import labels as rows
from persistence import shipments as shipment_rows
from services import shipments
from services.context import Environment, ServiceContext
from services.one_by_one import passed_over

NOT_TAKEN_BACK = "the carrier does not take the label back: it is paid for"
MOST_AT_ONCE = 20
"""Labels that are asked for side by side; a sweep goes on until fewer are due."""
_MOST_ROUNDS = 50
# How often a sweep that waits for one carrier looks what the others have to sell meanwhile.
_LOOK_AGAIN_SECONDS = 0.5
# Finding and buying, each within its limit, what a call goes on when nobody waits for it any more, and a
# second to record what came of it.
_CALLS = 3
_TO_RECORD = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


async def buy_due(context: ServiceContext) -> int:
    """Buy labels that nobody is asking for now, and give those of canceled parcels back.

    Returns how many were looked at. Safe beside other sweeps and beside requests that wait for their answer:
    labels are leased, carriers are asked under the same key again, and the outcome is recorded once. Each
    carrier has its own turns: one that hangs keeps nobody else's labels waiting.
    """
    looked_at = 0
    turns: dict[str, asyncio.Task[None]] = {}
    try:
        for _ in range(_MOST_ROUNDS):
            # Whom a look leaves out may have more that is due: only a look at all of them ends the sweep.
            at_all = not turns
            due = await _leased(context, busy=turns.keys())
            looked_at += len(due)
            for provider in {one.provider or "" for one in due}:
                theirs = [one for one in due if (one.provider or "") == provider]
                turns[provider] = asyncio.create_task(_settle_all(context, theirs))
            if turns:
                await _next_over(turns)
            if at_all and not turns and len(due) < MOST_AT_ONCE:
                break
        for turn in turns.values():
            await turn
    finally:
        for turn in turns.values():
            turn.cancel()
        await asyncio.gather(*turns.values(), return_exceptions=True)
    return looked_at


async def _leased(context: ServiceContext, busy: Collection[str]) -> list[LabelAsk]:
    now = context.now()
    until = _leased_until(context.environment, now)
    async with context.read() as connection:
        return await rows.lease_due(connection, most=MOST_AT_ONCE, now=now, leased_until=until, busy=busy)


async def _next_over(turns: dict[str, asyncio.Task[None]]) -> None:
    """Wait a little for a turn to end, and take out those that have; raises what one has raised."""
    await asyncio.wait(turns.values(), timeout=_LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for provider in [name for name, turn in turns.items() if turn.done()]:
        turns.pop(provider).result()


async def buy(context: ServiceContext, shipment_ids: Sequence[UUID]) -> set[UUID]:
    """Buy the labels of these parcels now, after the commit that asked for them; the sweep does the rest.

    Returns those whose carrier was asked here: the others have their label, or somebody else is asking.
    """
    asked: set[UUID] = set()
    # Leased as their turn comes: a lease is as long as one turn, and who has none must not ask.
    for first in range(0, len(shipment_ids), MOST_AT_ONCE):
        now = context.now()
        async with context.read() as connection:
            due = await rows.lease(
                connection,
                shipment_ids[first : first + MOST_AT_ONCE],
                now=now,
                leased_until=_leased_until(context.environment, now),
            )
        await _settle_all(context, due)
        asked.update(one.shipment_id for one in due)
    return asked


async def _settle_all(context: ServiceContext, due: Sequence[LabelAsk]) -> None:
    # Side by side, so that one carrier that hangs does not keep the others' labels waiting.
    ends = await asyncio.gather(*(_settle(context, one) for one in due), return_exceptions=True)
    for ask, error in zip(due, ends, strict=True):
        if error is not None:
            passed_over("buy_labels", ask.shipment_id, error)


async def _settle(context: ServiceContext, ask: LabelAsk) -> None:
    """Find out what becomes of one label, and record it; what gets no answer is asked again later."""
    carrier = context.environment.carriers.get(ask.provider or "")
    try:
        if carrier is None:
            raise _missing(ask)
        if ask.canceled:
            await _give_back(context, carrier, ask)
        else:
            await _conclude(context, ask, await _bought(context.environment, carrier, ask))
    except (CarrierUnavailable, TimeoutError):
        _log.info("label_outcome_unknown", provider=ask.provider, shipment_id=str(ask.shipment_id))
        await _ask_later(context, ask)
    except CarrierRefused as refused:
        await _refuse(context, ask, LabelRefused(refused.code, refused.message, "id"))
    except LabelRefused as refused:
        await _refuse(context, ask, refused)


def _missing(ask: LabelAsk) -> Exception:
    """Return what to raise where nobody is there to be asked; one who was asked before may come back."""
    _log.error("carrier_missing", provider=ask.provider, shipment_id=str(ask.shipment_id))
    if ask.was_asked_before or ask.canceled:
        return CarrierUnavailable()
    return LabelRefused("carrier_missing", f"the carrier {ask.provider} is not set up", "id")


async def _bought(environment: Environment, carrier: Carrier, ask: LabelAsk) -> Label:
    """Return the label, bought once: whoever was asked before is asked first what became of that."""
    if ask.was_asked_before and (found := await known_label(environment, carrier, ask.key)) is not None:
        return found
    request = ask.request()
    async with asyncio.timeout(environment.carrier_time_limit_seconds):
        return await carrier.buy_label(ask.key, request)


async def _give_back(context: ServiceContext, carrier: Carrier, ask: LabelAsk) -> None:
    """Give the label of a canceled parcel back, also one that nobody recorded; wait for one on its way."""
    environment, reference = context.environment, ask.reference
    if ask.state is LabelState.REQUESTED:
        found = await known_label(environment, carrier, ask.key)
        may_come = ask.was_asked_before and context.now() - ask.requested_at < decide.NEVER_ARRIVED_AFTER
        if found is None and may_come:
            raise CarrierUnavailable
        if found is not None:
            await _conclude(context, ask, found)
        reference = found.reference if found else None
    taken = reference is None or await takes_back(environment, carrier, reference)
    async with context.transaction() as transaction:
        if taken:
            await rows.record_void(transaction.connection, ask)
        else:
            await rows.record_kept(transaction.connection, ask, NOT_TAKEN_BACK, transaction.now)


async def known_label(environment: Environment, carrier: Carrier, key: str) -> Label | None:
    """Return the label that a carrier has sold under a key, None for none; raises TimeoutError."""
    async with asyncio.timeout(environment.carrier_time_limit_seconds):
        return await carrier.find_label(key)


async def takes_back(environment: Environment, carrier: Carrier, reference: str) -> bool:
    """Give a label back; says whether its carrier takes it. Raises TimeoutError."""
    async with asyncio.timeout(environment.carrier_time_limit_seconds):
        return await carrier.void_label(reference)


async def _conclude(context: ServiceContext, ask: LabelAsk, label: Label) -> None:
    """Record a label that was bought, in one transaction; one that is recorded is left alone."""
    async with context.transaction() as transaction:
        found = await shipments.locked(transaction, shipment_id=ask.shipment_id)
        if not await rows.keep(transaction.connection, ask, label, transaction.now):
            return
        shipment = decide.purchased(found.shipment(ask.shipment_id), label)
        after = found.with_shipments(shipment)
        order = replace(after.order, version=found.order.version + 1)
        parts = shipment_changes.labeled(after, shipment)
        await shipment_rows.save(
            transaction.connection, order, parts=parts, shipments=[shipment], now=transaction.now
        )
        told = {"provider": shipment.provider, "trackingNumber": shipment.tracking_number}
        transaction.emit(shipment_event("ShipmentLabelCreated", order, shipment, transaction.now, **told))


async def _refuse(context: ServiceContext, ask: LabelAsk, refused: LabelRefused) -> None:
    """Record that a label was refused, or (of a canceled parcel) could not be given back."""
    async with context.transaction() as transaction:
        if ask.canceled:
            await rows.record_kept(transaction.connection, ask, refused.message, transaction.now)
            return
        found = await shipments.locked(transaction, shipment_id=ask.shipment_id)
        if not await rows.fail(transaction.connection, ask, refused):
            return
        shipment = decide.failed(found.shipment(ask.shipment_id))
        order = replace(found.order, version=found.order.version + 1)
        await shipment_rows.save(transaction.connection, order, shipments=[shipment], now=transaction.now)
        told = {"provider": ask.provider, "code": refused.refusal, "message": refused.message}
        transaction.emit(shipment_event("ShipmentLabelFailed", order, shipment, transaction.now, **told))


async def _ask_later(context: ServiceContext, ask: LabelAsk) -> None:
    async with context.transaction() as transaction:
        await rows.postpone(
            transaction.connection, ask, next_attempt_at=transaction.now + decide.pause_after(ask.attempts)
        )


def _leased_until(environment: Environment, now: datetime) -> datetime:
    return now + _CALLS * timedelta(seconds=environment.carrier_time_limit_seconds) + _TO_RECORD
