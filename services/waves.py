"""Use cases of waves: parts of orders are gathered, picked by scans, given up where units are not there.

A wave is locked before its orders, those by id, stock last. Picking moves no stock, so that a scan is few
statements: an order is only touched when the last unit of its part is in the tote.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import waves as decide
from domain.fulfillment import (
    WORKED_ON,
    DeliveryMethod,
    FulfillmentOrder,
    FulfillmentOrderStatus,
    FulfillmentWork,
)
from domain.fulfillment_changes import start
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.quantities import is_storable
from domain.kernel.transitions import check_transition
from domain.shipment_changes import LockedFulfillment, open_units
from domain.waves import Pick, ShortReason, Wave, WaveStatus
from persistence import fulfillment as parts
from persistence import waves as rows
from persistence.idempotency import Claim, claim_for
from services import fulfillment, shipments
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.fulfillment import Told


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a wave shall have: named parts, or the most urgent that may be picked, up to `most`."""

    location_code: str
    part_ids: Sequence[UUID] | None = None
    delivery_method: DeliveryMethod | None = None
    due_until: datetime | None = None
    most: int = 20


@dataclass(frozen=True, slots=True)
class Scan:
    """Units that a picker has in hand: by SKU or barcode, from which bin, for which part if that is said."""

    code: str
    quantity: int = 1
    bin_code: str | None = None
    part_id: UUID | None = None


async def create(context: ServiceContext, wanted: Wanted, key: str) -> Wave:
    """Gather parts into a wave: they are IN_PROGRESS and PICKING from now on.

    Two statements an order. Raises NotFound for the location, InvalidInput for nothing to pick, and
    IllegalTransition naming a part that was asked for and may not be picked (now).
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    if not 1 <= wanted.most <= decide.MAX_PARTS:
        raise InvalidInput(f"must be between 1 and {decide.MAX_PARTS}", "max")
    if wanted.part_ids is not None and not 1 <= len(wanted.part_ids) <= decide.MAX_PARTS:
        raise InvalidInput(f"must be between 1 and {decide.MAX_PARTS} fulfillment orders", "ids")
    named = None if wanted.part_ids is None else [str(one) for one in wanted.part_ids]
    facts = [wanted.location_code, named, wanted.delivery_method, str(wanted.due_until), wanted.most]
    claim = _claim(context, "waveCreate", key, facts)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _found(transaction, UUID(stored["wave"]))
        code = wanted.location_code if is_storable(wanted.location_code) else ""
        location_id = await parts.location_id(transaction.connection, code)
        if location_id is None:
            raise NotFound("no location in use has this code", "locationCode")
        taken = await _take(transaction, location_id, wanted)
        if not taken:
            raise InvalidInput("there is nothing to pick there now", "locationCode")
        wave_id = new_id()
        picks = _picks(taken)
        await rows.add(
            transaction.connection, wave_id, location_id, picks, transaction.actor, transaction.now
        )
        wave = await _found(transaction, wave_id)
        transaction.emit(_event("WaveCreated", wave, transaction.now, fulfillmentOrders=len(taken)))
        transaction.answer({"wave": str(wave_id)})
        return wave


async def confirm(
    context: ServiceContext, wave_id: UUID, scan: Scan, expected_version: int | None, key: str
) -> Wave:
    """Count scanned units as picked; a part is PICKED when all of it is there, the wave when all is.

    Six statements, BEGIN and COMMIT among them, and two for each part that it completes. Raises NotFound,
    IllegalTransition, VersionConflict, and ScanRefused telling what was expected.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    facts = [str(wave_id), scan.code, scan.quantity, scan.bin_code, str(scan.part_id), expected_version]
    claim = _claim(context, "pickConfirm", key, facts)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        wave = await _locked(transaction, wave_id)
        if stored is not None:
            return wave
        check_version(wave.version, expected_version)
        changed = decide.confirm(wave, scan.code, scan.quantity, scan.bin_code, scan.part_id)
        after = wave.with_picks(changed, transaction.now)
        await rows.save(transaction.connection, after, changed)
        told = {"sku": changed[0].sku, "quantity": scan.quantity}
        transaction.emit(_event("WavePicked", after, transaction.now, **told))
        after = await _finish(transaction, after, changed)
        transaction.answer({"wave": str(wave_id)})
        return after


async def short(
    context: ServiceContext,
    wave_id: UUID,
    scan: Scan,
    reason: ShortReason,
    expected_version: int | None,
    key: str,
) -> Wave:
    """Say that units are not where they should be: they are counted out, and routed again.

    The last totes do without first, unless a part is named. What no other location has waits for stock; the
    other units go on. Raises what `confirm` does.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    facts = [str(wave_id), scan.code, scan.quantity, str(scan.part_id), reason, expected_version]
    claim = _claim(context, "pickShort", key, facts)
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        wave = await _locked(transaction, wave_id)
        if stored is not None:
            return wave
        check_version(wave.version, expected_version)
        taken = decide.short_picks(wave, scan.code, scan.quantity, scan.part_id)
        found = await _lock_orders(transaction, {pick.order_id for pick, _ in taken})
        await rows.lock_levels(transaction.connection, taken[0][0].variant_id)
        for pick, units in taken:
            locked = found[pick.order_id]
            done = await fulfillment.give_up(
                transaction, locked, locked.part(pick.part_id), {pick.line_id: units}, reason.value, lost=True
            )
            found[pick.order_id] = done.found
        changed = [pick for pick, _ in taken]
        after = wave.with_picks(_as_they_are(changed, found), transaction.now)
        await rows.save(transaction.connection, after, changed)
        told = {"sku": changed[0].sku, "quantity": scan.quantity, "reason": reason.value}
        transaction.emit(_event("WaveShort", after, transaction.now, **told))
        after = await _finish(transaction, after, changed, found)
        transaction.answer({"wave": str(wave_id)})
        return after


async def cancel(context: ServiceContext, wave_id: UUID, expected_version: int | None, key: str) -> Wave:
    """End a wave: parts not wholly picked are ALLOCATED again, their goods go back to their bins.

    Repeating it changes nothing. Raises NotFound, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    claim = _claim(context, "waveCancel", key, [str(wave_id), expected_version])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        wave = await _locked(transaction, wave_id)
        if stored is not None:
            return wave
        check_version(wave.version, expected_version)
        transaction.answer({"wave": str(wave_id)})
        if not check_transition(decide.WAVES, wave.status, WaveStatus.CANCELED, "the wave"):
            return wave
        back = {pick.part_id: pick.order_id for pick in wave.picks if _being_picked(pick)}
        await _work(transaction, back, FulfillmentWork.ALLOCATED, "FulfillmentOrderPickCanceled", {})
        after = replace(wave, status=WaveStatus.CANCELED, version=wave.version + 1, ended_at=transaction.now)
        await rows.save(transaction.connection, after, [])
        transaction.emit(_event("WaveCanceled", after, transaction.now))
        return await _found(transaction, wave_id)


async def get(context: ServiceContext, wave_id: UUID) -> Wave | None:
    """Return a wave; None when there is none."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    async with context.read() as connection:
        return await rows.find(connection, wave_id)


async def page(
    context: ServiceContext,
    location_code: str | None,
    status: WaveStatus | None,
    before: tuple[datetime, UUID] | None,
    most: int,
) -> list[Wave]:
    """Return waves, the newest first."""
    require(context.actor, Permission.WAREHOUSE_WRITE)
    if location_code is not None and not is_storable(location_code):
        return []
    async with context.read() as connection:
        return await rows.page(connection, location_code, status, before, most)


Taken = list[tuple[FulfillmentOrder, dict[UUID, int]]]


async def _take(transaction: Transaction, location_id: UUID, wanted: Wanted) -> Taken:
    """Lock the orders of what may be picked, by id, and let the work begin; most urgent first."""
    method = wanted.delivery_method.value if wanted.delivery_method else None
    chosen = await rows.candidates(
        transaction.connection,
        location_id,
        ids=wanted.part_ids,
        delivery_method=method,
        due_until=wanted.due_until,
        most=decide.MAX_PARTS if wanted.part_ids is not None else wanted.most,
    )
    missing = set(wanted.part_ids or ()) - {part_id for part_id, _ in chosen}
    if missing:
        at = next(at for at, one in enumerate(wanted.part_ids or ()) if one in missing)
        raise IllegalTransition("may not be picked at this location now", "", ["OPEN"], "ids", str(at))
    units: dict[UUID, tuple[FulfillmentOrder, dict[UUID, int]]] = {}
    for part_id, order_id in sorted(chosen, key=lambda one: (one[1], one[0])):
        found = await shipments.locked(transaction, order_id=order_id)
        part = found.part(part_id)
        # Somebody may have been quicker.
        still = part.location_id == location_id and part.work is FulfillmentWork.ALLOCATED
        open_now = open_units(part, found.shipments)
        if not still or part.status not in WORKED_ON or not open_now:
            continue
        begun = start(found.order, part) or replace(part, version=part.version + 1)
        check_transition(decide.WORK, begun.work, FulfillmentWork.PICKING, "the fulfillment order")
        begun = replace(begun, work=FulfillmentWork.PICKING)
        told: Told = ("FulfillmentOrderStarted", begun, {})
        await fulfillment.save(transaction, found, [begun], told)
        units[part_id] = begun, open_now
    return [units[part_id] for part_id, _ in chosen if part_id in units]


def _picks(taken: Taken) -> list[dict[str, Any]]:
    return [
        {
            "id": new_id(),
            "part_id": part.id,
            "line_id": line.id,
            "variant_id": line.variant_id,
            "sku": line.sku,
            "tote": tote,
            "quantity": units[line.id],
        }
        for tote, (part, units) in enumerate(taken, 1)
        for line in part.lines
        if line.id in units
    ]


async def _finish(
    transaction: Transaction,
    wave: Wave,
    changed: Sequence[Pick],
    found: dict[UUID, LockedFulfillment] | None = None,
) -> Wave:
    """Let parts be PICKED whose last unit is in the tote; returns the wave with them so."""
    done = decide.finished_parts(wave, changed)
    owners = {pick.part_id: pick.order_id for pick in changed if pick.part_id in done}
    await _work(transaction, owners, FulfillmentWork.PICKED, "FulfillmentOrderPicked", found or {})
    if wave.status is not WaveStatus.OPEN:
        transaction.emit(_event("WaveCompleted", wave, transaction.now))
    picks = [
        replace(pick, part_work=FulfillmentWork.PICKED) if pick.part_id in owners else pick
        for pick in wave.picks
    ]
    return replace(wave, picks=tuple(picks))


async def _work(
    transaction: Transaction,
    owners: dict[UUID, UUID],
    work: FulfillmentWork,
    kind: str,
    locked: dict[UUID, LockedFulfillment],
) -> None:
    """Change the work of parts that are being picked, order by order; `locked` are locked already."""
    for part_id, order_id in sorted(owners.items(), key=lambda one: (one[1], one[0])):
        found = locked.get(order_id) or await shipments.locked(transaction, order_id=order_id)
        part = found.part(part_id)
        if part.work is not FulfillmentWork.PICKING or part.status not in {
            *WORKED_ON,
            FulfillmentOrderStatus.ON_HOLD,
        }:
            continue
        check_transition(decide.WORK, part.work, work, "the fulfillment order")
        moved = replace(part, work=work, version=part.version + 1)
        told: Told = (kind, moved, {})
        locked[order_id] = (await fulfillment.save(transaction, found, [moved], told)).found


def _as_they_are(changed: Sequence[Pick], found: dict[UUID, LockedFulfillment]) -> list[Pick]:
    """Return picks with what their parts have still to send, after units were given up."""
    after = []
    for pick in changed:
        part = found[pick.order_id].part(pick.part_id)
        lines = {line.id: line for line in part.lines}
        line = lines.get(pick.line_id)
        ended = part.status not in {*WORKED_ON, FulfillmentOrderStatus.ON_HOLD}
        units = 0 if line is None or ended else line.quantity - line.quantity_shipped - line.quantity_short
        # What was given up has left the line, and is short in the pick: it must not count twice.
        after.append(replace(pick, open_units=units, part_status=part.status))
    return after


def _being_picked(pick: Pick) -> bool:
    return pick.part_work is FulfillmentWork.PICKING


async def _lock_orders(transaction: Transaction, order_ids: set[UUID]) -> dict[UUID, LockedFulfillment]:
    return {one: await shipments.locked(transaction, order_id=one) for one in sorted(order_ids)}


async def _locked(transaction: Transaction, wave_id: UUID) -> Wave:
    wave = await rows.lock(transaction.connection, wave_id)
    if wave is None:
        raise NotFound("there is no such wave", "waveId")
    return wave


async def _found(transaction: Transaction, wave_id: UUID) -> Wave:
    wave = await rows.find(transaction.connection, wave_id)
    assert wave is not None, "waves are never deleted"  # noqa: S101
    return wave


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


def _event(kind: str, wave: Wave, now: datetime, **facts: Any) -> Event:
    payload = {"status": wave.status.value, "locationId": str(wave.location_id), **facts}
    return Event(kind, "wave", wave.id, wave.version, now, None, payload)
