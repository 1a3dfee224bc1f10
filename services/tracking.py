"""Use cases of tracking: what is told of parcels is stored, then applied; who does not tell is asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import tracking as decide
from domain.carrier_events import (
    LONGEST_ERROR,
    MOST_FAILURES,
    SetAsideReason,
    look_again,
    pause_after_failures,
)
from domain.carrier_ports import CarrierRefused, CarrierUnavailable, TrackingReader, TrackingUpdate
from domain.fulfillment_events import shipment_event
from domain.kernel.errors import DomainError, NotFound
from domain.kernel.events import Event
from domain.orders import Order
from domain.shipment_changes import LockedFulfillment
from domain.shipments import Shipment, ShipmentStatus
from domain.tracking import EVENT_KINDS, TrackingFact
from persistence import return_tracking as back_rows
from persistence import tracking as rows
from persistence.error_text import text_of
from persistence.outages import is_outage
from persistence.tracking import Polled, Told
from services import return_tracking, shipments
from services.context import ServiceContext, Transaction
from services.one_by_one import each, passed_over
from services.shipments import HandedOver

MOST_AT_ONCE = 50
"""Events taken at once; a run goes on until fewer are due."""
_LEASE = timedelta(seconds=30)
_POLLS_AT_ONCE = 8

_LeasePolls = Callable[..., Awaitable[list[Polled]]]
_Polled = Callable[[AsyncConnection, UUID, datetime], Awaitable[None]]

_log = structlog.get_logger(__name__)


async def receive(
    context: ServiceContext, provider: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, int]:
    """Store what a carrier calls back with, each event once; returns how many events, and how many new.

    Nothing else is done before it has its answer. Raises NotFound for a carrier that does not exist or does
    not call back, CallbackRefused for what is not from it, and ValueError for what is and cannot be read.
    """
    carrier: object = context.environment.carriers.get(provider)
    if not isinstance(carrier, TrackingReader):
        raise NotFound("no such carrier calls back")
    now = context.now()
    updates = [decide.check_readable(one) for one in carrier.read_tracking(headers, body, now)]
    if not updates:
        return 0, 0
    async with context.read() as connection:
        return len(updates), len(await rows.store(connection, provider, updates, now=now))


async def apply_due(context: ServiceContext) -> int:
    """Apply what was told and is due; returns how much was taken.

    Safe beside another run: what is due is leased, and applied once, under the lock of its order.
    """
    taken, last = 0, MOST_AT_ONCE
    while last == MOST_AT_ONCE:
        now = context.now()
        async with context.read() as connection:
            due = await rows.lease_due(connection, most=MOST_AT_ONCE, now=now, leased_until=now + _LEASE)
        by_parcel: dict[UUID | None, list[Told]] = {}
        back: dict[UUID, list[UUID]] = {}
        for one in due:
            if one.return_parcel_id is not None:
                back.setdefault(one.return_parcel_id, []).append(one.id)
                continue
            by_parcel.setdefault(one.shipment_id, []).append(one)
        await _wait(context, by_parcel.pop(None, []), SetAsideReason.UNKNOWN_PARCEL)
        await each(
            "apply_tracking",
            [(one, some) for one, some in by_parcel.items() if one is not None],
            lambda told: apply(context, *told),
        )
        await each("apply_return_tracking", back.items(), lambda told: return_tracking.apply(context, *told))
        last = len(due)
        taken += last
    return taken


async def apply(context: ServiceContext, shipment_id: UUID, told: Sequence[Told]) -> None:
    """Apply what was told of a parcel; what does not fit now is tried again, and in the end set aside.

    So is what fails by an error of our own, which is raised once that is noted.
    """
    ids = [one.id for one in told]
    try:
        async with context.transaction() as transaction:
            _, handed = await apply_in(context, transaction, shipment_id, ids)
    except DomainError as error:
        _log.warning("tracking_does_not_fit", shipment=str(shipment_id), reason=error.message)
        await _wait(context, told, SetAsideReason.DOES_NOT_FIT, error.message)
        return
    except Exception as error:
        if not is_outage(error):
            await _failed(context, told, error)
        raise
    if handed is not None:
        await shipments.take_money(context, handed)


async def apply_in(
    context: ServiceContext, transaction: Transaction, shipment_id: UUID, ids: Sequence[UUID]
) -> tuple[Shipment, HandedOver | None]:
    """Apply what was told of a parcel in a transaction; returns it, and what left by that.

    A parcel that a carrier has although nobody said that it left has left: it is handed over by this; after
    the commit its money is taken (`shipments.take_money`). Raises IllegalTransition where it cannot leave.
    """
    found = await shipments.locked(transaction, shipment_id=shipment_id)
    shipment = found.shipment(shipment_id)
    if shipment.status is ShipmentStatus.CANCELED:
        await rows.set_aside(
            transaction.connection, ids, SetAsideReason.CANCELED_PARCEL, shipment_id=shipment_id
        )
        return shipment, None
    new, before = await rows.apply(transaction.connection, shipment_id, ids)
    if not new:
        return shipment, None
    handed = None
    if not shipment.has_left and decide.says_it_left(new):
        handed = await shipments.hand_over(context, transaction, found, [shipment_id])
        found = handed.found
    return await _track(transaction, found, shipment_id, new, before), handed


async def poll_due(context: ServiceContext) -> int:
    """Ask carriers where parcels are that were long not told of; returns how many were asked about."""
    asked = 0
    for lease, noted in ((rows.lease_polls, rows.polled), (back_rows.lease_polls, back_rows.polled)):
        last = MOST_AT_ONCE
        while last == MOST_AT_ONCE:
            last = await _poll(context, context.now(), lease, noted)
            asked += last
    return asked


async def tell_late(context: ServiceContext) -> int:
    """Tell of parcels whose promise has passed, once for each promise; returns how many.

    What was told of a number before a parcel had it, and given up, is taken up again by the way.
    """
    async with context.read() as connection:
        await rows.take_up(connection, context.now())
    late, last = 0, MOST_AT_ONCE
    while last == MOST_AT_ONCE:
        async with context.read() as connection:
            found = await rows.late(connection, now=context.now(), most=MOST_AT_ONCE)
        await each("tell_late_parcels", found, lambda one: _tell_late(context, one))
        last = len(found)
        late += last
    return late


async def _poll(context: ServiceContext, now: datetime, lease: _LeasePolls, noted: _Polled) -> int:
    carriers = context.environment.carriers
    async with context.read() as connection:
        due = await lease(connection, list(carriers), now=now, lease=_LEASE * 4, most=MOST_AT_ONCE)
    gate = asyncio.Semaphore(_POLLS_AT_ONCE)
    answers = await asyncio.gather(*(_ask(context, gate, one) for one in due), return_exceptions=True)

    async def note(answered: tuple[Polled, list[TrackingUpdate] | BaseException]) -> None:
        one, updates = answered
        async with context.read() as connection:
            if isinstance(updates, BaseException):
                passed_over("poll_carriers", one.id, updates)
            elif updates:
                await rows.store(connection, one.provider, updates, now=now)
            await noted(connection, one.id, decide.next_poll(one.shipped_at, now))

    await each("poll_carriers", zip(due, answers, strict=True), note)
    return len(due)


async def _tell_late(context: ServiceContext, shipment_id: UUID) -> None:
    async with context.transaction() as transaction:
        found = await shipments.locked(transaction, shipment_id=shipment_id)
        shipment = found.shipment(shipment_id)
        if decide.must_be_told_late(shipment, transaction.now):
            await _save(transaction, found, shipment, [])


async def _ask(context: ServiceContext, gate: asyncio.Semaphore, one: Polled) -> list[TrackingUpdate]:
    try:
        async with gate, asyncio.timeout(context.environment.carrier_time_limit_seconds):
            told = await context.environment.carriers[one.provider].track(one.reference, one.tracking_number)
        return [decide.check_readable(update) for update in told]
    except (CarrierUnavailable, CarrierRefused, TimeoutError, ValueError) as error:
        _log.info("carrier_did_not_tell", provider=one.provider, reason=type(error).__name__)
        return []


async def _wait(
    context: ServiceContext, told: Sequence[Told], reason: SetAsideReason, error: str | None = None
) -> None:
    """Leave what does not fit yet for later: a label may just be bought, a hold end; at last to a person."""
    now, grace = context.now(), timedelta(seconds=context.environment.callback_grace_seconds)
    old = [one.id for one in told if now - one.received_at > grace]
    young = [one for one in told if now - one.received_at <= grace]
    if not told:
        return
    async with context.read() as connection:
        if old:
            await rows.set_aside(connection, old, reason, error, told[0].shipment_id)
        if young:
            newest = max(one.received_at for one in young)
            await rows.postpone(connection, [one.id for one in young], look_again(newest, now))


async def _failed(context: ServiceContext, told: Sequence[Told], error: Exception) -> None:
    """Leave what failed alone for longer each time, and at last to a person, who is told with what."""
    now = context.now()
    given_up = [one.id for one in told if one.failures + 1 >= MOST_FAILURES]
    others = [one for one in told if one.failures + 1 < MOST_FAILURES]
    async with context.read() as connection:
        if given_up:
            said = f"{type(error).__name__}: {text_of(error)}".replace("\0", " ")[:LONGEST_ERROR]
            await rows.set_aside(connection, given_up, SetAsideReason.FAILED, said, told[0].shipment_id)
        if others:
            pause = pause_after_failures(1 + min(one.failures for one in others))
            await rows.postpone(connection, [one.id for one in others], now + pause, failed=True)


async def _track(
    transaction: Transaction,
    found: LockedFulfillment,
    shipment_id: UUID,
    new: Sequence[TrackingFact],
    before: Sequence[TrackingFact],
) -> Shipment:
    """Move a parcel to where all that was told has it, telling of each step that brought it further."""
    shipment = found.shipment(shipment_id)
    if not shipment.has_left:
        return shipment
    told: list[tuple[str, TrackingFact]] = []
    at, known = decide.tracked(shipment, before), list(before)
    for fact in sorted(new, key=lambda one: one.when):
        known.append(fact)
        after = decide.tracked(shipment, known)
        if after.status is not at.status:
            told.append((EVENT_KINDS[after.status], fact))
        elif (after.position, after.estimated_at) != (at.position, at.estimated_at):
            told.append(("ShipmentUpdated", fact))
        at = after
    if at == shipment and not decide.must_be_told_late(at, transaction.now):
        return shipment
    return await _save(transaction, found, at, told)


async def _save(
    transaction: Transaction,
    found: LockedFulfillment,
    shipment: Shipment,
    told: Sequence[tuple[str, TrackingFact]],
) -> Shipment:
    late = decide.must_be_told_late(shipment, transaction.now)
    if late:
        shipment = replace(shipment, late_told_for=shipment.promised_until)
    after = found.with_shipments(shipment).order
    order = replace(after, version=after.version + 1)
    await rows.save(transaction.connection, order, shipment)
    transaction.emit(*(_event(kind, order, shipment, fact, transaction.now) for kind, fact in told))
    if late:
        facts = {"promisedUntil": shipment.promised_until, "estimatedAt": shipment.estimated_at}
        plain = {name: moment.isoformat() if moment else None for name, moment in facts.items()}
        transaction.emit(shipment_event("ShipmentDelayed", order, shipment, transaction.now, **plain))
    return shipment


def _event(kind: str, order: Order, shipment: Shipment, fact: TrackingFact, now: datetime) -> Event:
    facts = {
        "shipmentStatus": fact.status.value,
        "place": fact.place,
        "description": fact.description,
        "toldAt": fact.occurred_at.isoformat(),
    }
    return shipment_event(kind, order, shipment, now, **facts)
