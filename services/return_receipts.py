"""Use cases of what comes back: counted where it arrives, looked at, and its stock put where it belongs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain import return_receipts as decide
from domain.claims import pending
from domain.inventory import Movement
from domain.kernel.changes import check_version
from domain.kernel.errors import NotFound
from domain.kernel.keys import check_key
from domain.locations import is_code
from domain.return_arrivals import reopened
from domain.return_receipts import Look
from domain.returns import Return, ReturnStatus, return_event
from persistence import inventory, locations
from persistence import returns as rows
from persistence.idempotency import Claim, claim_for
from services import return_records, return_settlement
from services.access import Permission, require
from services.context import ServiceContext, Transaction

_Decide = Callable[[Return, datetime], tuple[Return, list[Movement]]]


async def receive(
    context: ServiceContext,
    return_id: UUID,
    location_code: str,
    units: Mapping[UUID, int],
    expected_version: int | None,
    key: str,
) -> Return:
    """Count units of a return that arrived, as often as some do: they are in quality control.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    asked = sorted((str(line), count) for line, count in units.items())
    claim = _claim(context, "returnReceive", key, [str(return_id), location_code, asked, expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _stored(transaction, return_id)
        location_id = None
        if is_code(location_code):
            location_id = await locations.id_of_code(transaction.connection, location_code)
        if location_id is None:
            raise NotFound("no location has this code", "locationCode")

        def count(before: Return, now: datetime) -> tuple[Return, list[Movement]]:
            return decide.receive(before, units, location_id, now)

        after = await _write(transaction, return_id, expected_version, count)
        transaction.answer({"return": str(return_id)})
    return after


async def inspect(
    context: ServiceContext,
    return_id: UUID,
    looks: Sequence[Look],
    expected_version: int | None,
    key: str,
) -> Return:
    """Say how units were found: what is good is on sale again at once.

    With the last of them the money is decided on, and given back where nothing speaks against it. Raises
    NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    claim = _claim(context, "returnInspect", key, [str(return_id), str(looks), expected_version])
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _stored(transaction, return_id)

        def look(before: Return, now: datetime) -> tuple[Return, list[Movement]]:
            return decide.inspect(before, looks, now)

        after = await _write(transaction, return_id, expected_version, look)
        transaction.answer({"return": str(return_id)})
    if after.status is ReturnStatus.INSPECTED:
        return await return_settlement.settle(context, return_id)
    return after


async def _write(
    transaction: Transaction, return_id: UUID, expected_version: int | None, decided: _Decide
) -> Return:
    found = await return_records.locked(transaction, return_id=return_id)
    before = found.named(return_id)
    check_version(before.version, expected_version)
    ready = reopened(before, found.returns, found.placed.lines, pending(found.claims))
    after, movements = decided(ready, transaction.now)
    order = replace(found.placed.order, version=found.placed.order.version + 1)
    await rows.save(transaction.connection, before, after, order)
    if ready is not before:
        transaction.emit(return_event("ReturnReopened", order, ready, transaction.now))
    transaction.emit(return_event(_kind(after), order, after, transaction.now))
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="return",
        source_id=return_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if short:
        raise NotFound("its units are no longer in quality control there: count the stock", "id")
    return after


def _kind(after: Return) -> str:
    if after.status is ReturnStatus.INSPECTED:
        return "ReturnInspected"
    return "ReturnReceived" if after.status is ReturnStatus.RECEIVED else "ReturnPartiallyReceived"


async def _stored(transaction: Transaction, return_id: UUID) -> Return:
    return (await rows.by_ids(transaction.connection, [return_id]))[return_id]


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)
