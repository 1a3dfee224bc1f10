"""Use cases of cycle counts: what is counted is compared with what was on hand at that very moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import cycle_counts as decide
from domain.catalog import VariantRef
from domain.cycle_counts import CountLine, CycleCount, CycleCountStatus, Tolerance
from domain.kernel.errors import DomainError, InvalidInput, NotFound, Several
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.quantities import is_storable
from domain.locations import is_code
from persistence import catalog, inventory, locations
from persistence import cycle_counts as rows
from persistence.idempotency import Claim, claim_for
from persistence.stock_losses import Place
from services import audit, stock_counts
from services.access import Permission, require
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be counted: these variants or, without any, what was not counted for the longest time."""

    variants: Sequence[VariantRef] | None = None
    not_counted_for_days: int | None = None
    """Only what was not counted for so many days."""
    most: int = 100
    tolerance: Tolerance = field(default_factory=Tolerance)


async def create(context: ServiceContext, location_code: str, wanted: Wanted, key: str) -> CycleCount:
    """Open a count of a location's stock.

    A tolerance decides what needs no approval, so it takes `stock.approve`. Raises NotFound (locationCode,
    a variant) and InvalidInput naming the field; also for a variant that another live count has, because
    both would book the same difference.
    """
    require(context.actor, Permission.STOCK_WRITE)
    if wanted.tolerance != Tolerance():
        require(context.actor, Permission.STOCK_APPROVE)
    wanted.tolerance.check()
    claim = _claim(context, "cycleCountCreate", key, [location_code, str(wanted)])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _found(transaction, UUID(stored["cycleCount"]))
        location_id = await _location_id(transaction.connection, location_code)
        count = CycleCount(
            new_id(),
            "",
            location_id,
            CycleCountStatus.OPEN,
            wanted.tolerance,
            await _lines(transaction, location_id, wanted),
            transaction.now,
        )
        number, taken = await rows.create(transaction.connection, count)
        _check_free(count, taken, named=wanted.variants is not None)
        lines = tuple(line for line in count.lines if line.id in taken)
        made = replace(count, number=number, lines=lines)
        await _record(transaction, "CycleCountCreated", None, made)
        transaction.answer({"cycleCount": str(made.id)})
    return made


async def record(
    context: ServiceContext,
    count_id: UUID,
    named: Sequence[tuple[str, int]],
    expected_version: int | None,
    key: str,
) -> CycleCount:
    """Record units found, by SKU or barcode, beside what is on hand now, while nobody moves any.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.STOCK_WRITE)
    claim = _claim(context, "cycleCountRecord", key, [str(count_id), list(named), expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _found(transaction, count_id)
        count = await _locked(transaction, count_id)
        found = decide.lines_named(count, named, expected_version)
        levels = await inventory.lock_levels(
            transaction.connection, [line.variant_id for line, _ in found], [count.location_id]
        )
        recorded = decide.record(
            count,
            [(line.id, units) for line, units in found],
            {level.variant_id: level.on_hand for level in levels},
            transaction.actor,
            transaction.now,
        )
        await _save(transaction, "CycleCountRecorded", count, recorded)
        transaction.answer({"cycleCount": str(count_id)})
    return recorded


async def submit(context: ServiceContext, count_id: UUID, expected_version: int | None) -> CycleCount:
    """Hand a count in: what the tolerance covers is booked, the rest waits for approval.

    Submitting again changes nothing. Raises NotFound, InvalidInput, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.STOCK_WRITE)
    async with context.transaction() as transaction:
        count = await _locked(transaction, count_id)
        submitted = decide.submit(count, expected_version, transaction.now)
        if submitted is None:
            return count
        return await _book(transaction, "CycleCountSubmitted", count, *submitted)


async def approve(context: ServiceContext, count_id: UUID, expected_version: int | None) -> CycleCount:
    """Book what waits: the differences found, on what is on hand now.

    Approving again changes nothing. Raises NotFound, IllegalTransition, VersionConflict, and SameActor
    when who asks counted any of it.
    """
    require(context.actor, Permission.STOCK_APPROVE)
    async with context.transaction() as transaction:
        count = await _locked(transaction, count_id)
        approved = decide.approve(count, transaction.actor, expected_version, transaction.now)
        if approved is None:
            return count
        return await _book(transaction, "CycleCountApproved", count, *approved)


async def reject(
    context: ServiceContext, count_id: UUID, reason: str, expected_version: int | None
) -> CycleCount:
    """Have what waits counted again. Raises NotFound, InvalidInput, IllegalTransition and VersionConflict."""
    require(context.actor, Permission.STOCK_APPROVE)
    async with context.transaction() as transaction:
        count = await _locked(transaction, count_id)
        rejected = decide.reject(count, reason, expected_version)
        await _save(transaction, "CycleCountRejected", count, rejected)
    return rejected


async def cancel(context: ServiceContext, count_id: UUID, expected_version: int | None) -> CycleCount:
    """Drop what was not booked. Raises NotFound, IllegalTransition and VersionConflict."""
    require(context.actor, Permission.STOCK_WRITE)
    async with context.transaction() as transaction:
        count = await _locked(transaction, count_id)
        canceled = decide.cancel(count, expected_version, transaction.now)
        if canceled is None:
            return count
        await _save(transaction, "CycleCountCanceled", count, canceled)
    return canceled


async def find(context: ServiceContext, count_id: UUID) -> CycleCount | None:
    """Return a count, None where there is none."""
    require(context.actor, Permission.STOCK_READ)
    async with context.read() as connection:
        return await rows.by_id(connection, count_id)


async def page(
    context: ServiceContext,
    size: int,
    after: tuple[datetime, UUID] | None,
    *,
    location_code: str | None,
    status: CycleCountStatus | None,
) -> list[CycleCount]:
    """Return counts from the newest on, one more than the page has if there are more; raises NotFound."""
    require(context.actor, Permission.STOCK_READ)
    async with context.read() as connection:
        location_id = None
        if location_code is not None:
            location_id = await _location_id(connection, location_code)
        return await rows.page(connection, size + 1, after, location_id=location_id, status=status)


async def _lines(transaction: Transaction, location_id: UUID, wanted: Wanted) -> tuple[CountLine, ...]:
    if wanted.variants is not None:
        if wanted.not_counted_for_days is not None:
            raise InvalidInput("name variants or days, not both", "notCountedForDays")
        return await _named_lines(transaction, wanted.variants)
    decide.check_most(wanted.most)
    before = None
    if wanted.not_counted_for_days is not None:
        decide.check_days(wanted.not_counted_for_days)
        before = transaction.now - timedelta(days=wanted.not_counted_for_days)
    found = await rows.due(transaction.connection, location_id, before, wanted.most)
    return tuple(CountLine(new_id(), *facts) for facts in found)


async def _named_lines(transaction: Transaction, refs: Sequence[VariantRef]) -> tuple[CountLine, ...]:
    if not 1 <= len(refs) <= decide.MAX_LINES:
        raise InvalidInput(f"name from 1 to {decide.MAX_LINES} variants", "variants")
    known = await catalog.variants_by_ref(
        transaction.connection, [ref for ref in refs if ref.sku is None or is_storable(ref.sku)]
    )
    wrong: list[DomainError] = []
    lines: dict[UUID, CountLine] = {}
    for position, ref in enumerate(refs):
        variant = known.get(ref)
        if variant is None:
            wrong.append(NotFound("there is no such variant", "variants", str(position)))
        elif variant.id in lines:
            wrong.append(InvalidInput("names a variant twice", "variants", str(position)))
        else:
            lines[variant.id] = CountLine(new_id(), variant.id, variant.sku, variant.barcode)
    _raise(wrong)
    return tuple(lines.values())


def _check_free(count: CycleCount, taken: frozenset[UUID], *, named: bool) -> None:
    if named:
        _raise(
            [
                InvalidInput("another count of this location has it: end that first", "variants", str(n))
                for n, line in enumerate(count.lines)
                if line.id not in taken
            ]
        )
    if not taken:
        raise InvalidInput("nothing there is to be counted", "locationCode")


def _raise(wrong: Sequence[DomainError]) -> None:
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)


async def _book(
    transaction: Transaction, kind: str, before: CycleCount, after: CycleCount, lines: Sequence[CountLine]
) -> CycleCount:
    differences = {Place(line.variant_id, after.location_id): line.difference for line in lines}
    changes = await stock_counts.book_differences(transaction, differences, "cycle_count", after.id)
    booked = decide.with_booked(after, lines, {place.variant_id: change for place, change in changes.items()})
    await _save(transaction, kind, before, booked)
    return booked


async def _save(transaction: Transaction, kind: str, before: CycleCount, after: CycleCount) -> None:
    # Of hundreds of lines few change at a time: only those are written, here and in the audit trail.
    known = set(before.lines)
    changed = tuple(line for line in after.lines if line not in known)
    ids = {line.id for line in changed}
    await rows.save(transaction.connection, after, changed)
    was = replace(before, lines=tuple(line for line in before.lines if line.id in ids))
    await _record(transaction, kind, was, after, changed)


async def _location_id(connection: AsyncConnection, code: str) -> UUID:
    found = await locations.id_of_code(connection, code) if is_code(code) else None
    if found is None:
        raise NotFound("no location has this code", "locationCode")
    return found


async def _locked(transaction: Transaction, count_id: UUID) -> CycleCount:
    found = await rows.lock(transaction.connection, count_id)
    if found is None:
        raise _no_count()
    return found


async def _found(transaction: Transaction, count_id: UUID) -> CycleCount:
    found = await rows.by_id(transaction.connection, count_id)
    if found is None:
        raise _no_count()
    return found


def _no_count() -> NotFound:
    return NotFound("no count has this id", "id")


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


async def _record(
    transaction: Transaction,
    kind: str,
    before: CycleCount | None,
    after: CycleCount,
    changed: tuple[CountLine, ...] | None = None,
) -> None:
    became = after if changed is None else replace(after, lines=changed)
    await audit.record(transaction, kind, "cycle_count", after.id, before, became)
    # Not what was expected: the feed has readers who are to count blind.
    payload = {
        "number": after.number,
        "status": after.status.value,
        "locationId": str(after.location_id),
    }
    transaction.emit(Event(kind, "cycle_count", after.id, after.version, transaction.now, None, payload))
