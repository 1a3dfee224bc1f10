"""Use cases of transfers: stock goes from one location to another, and is never lost from sight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import transfers as decide
from domain.catalog import VariantRef
from domain.inventory import Movement
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import DomainError, InsufficientStock, InvalidInput, NotFound, Several
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.keys import check_key
from domain.kernel.quantities import is_storable, require_text
from domain.locations import is_code
from domain.transfers import Receipt, Transfer, TransferLine, TransferStatus
from persistence import catalog, inventory, locations
from persistence import transfers as rows
from persistence.idempotency import Claim, claim_for
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction

WantedLines = Sequence[tuple[VariantRef, int]]


@dataclass(frozen=True, slots=True)
class TransferChanges:
    """What shall become of a draft; KEEP leaves a field as it is."""

    lines: WantedLines | Keep = KEEP
    note: str | Keep | None = KEEP
    expected_at: datetime | Keep | None = KEEP


async def create(
    context: ServiceContext, source_code: str, destination_code: str, given: TransferChanges, key: str
) -> Transfer:
    """Make a draft of what is to go from one location to another; no stock moves yet.

    Raises NotFound (sourceCode, destinationCode, a line's variant) and InvalidInput naming the field.
    """
    require(context.actor, Permission.STOCK_WRITE)
    claim = _claim(context, "transferCreate", key, [source_code, destination_code, str(given)])
    async with context.transaction() as transaction:
        stored = await transaction.replay(claim)
        if stored is not None:
            return await _found(transaction, UUID(stored["transfer"]))
        source = await _location_id(transaction.connection, source_code, "sourceCode")
        destination = await _location_id(transaction.connection, destination_code, "destinationCode")
        if source == destination:
            raise InvalidInput("must not be the location it comes from", "destinationCode")
        draft = Transfer(
            new_id(), "", source, destination, TransferStatus.DRAFT, (), created_at=transaction.now
        )
        draft = await _changed(transaction, draft, replace(given, lines=kept(given.lines, ())))
        made = replace(draft, number=await rows.create(transaction.connection, draft))
        await _record(transaction, "TransferCreated", None, made)
        transaction.answer({"transfer": str(made.id)})
    return made


async def update(
    context: ServiceContext, transfer_id: UUID, given: TransferChanges, expected_version: int | None
) -> Transfer:
    """Change a draft. Raises NotFound, IllegalTransition, VersionConflict and InvalidInput."""
    require(context.actor, Permission.STOCK_WRITE)
    async with context.transaction() as transaction:
        transfer = await _locked(transaction, transfer_id)
        decide.check_editable(transfer, expected_version)
        changed = await _changed(transaction, transfer, given)
        if changed == transfer:
            return transfer
        changed = replace(changed, version=transfer.version + 1)
        await rows.save(transaction.connection, changed)
        await _record(transaction, "TransferUpdated", transfer, changed)
    return changed


async def move_to(
    context: ServiceContext, transfer_id: UUID, wanted: TransferStatus, expected_version: int | None
) -> Transfer:
    """Make a transfer that has not left ready to ship, a draft again, or canceled.

    Moving it where it is changes nothing. Raises NotFound, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.STOCK_WRITE)
    async with context.transaction() as transaction:
        transfer = await _locked(transaction, transfer_id)
        moved = decide.moved_to(transfer, wanted, expected_version)
        if moved is None:
            return transfer
        if wanted is TransferStatus.CANCELED:
            moved = replace(moved, closed_at=transaction.now)
        await rows.save(transaction.connection, moved)
        await _record(transaction, _KINDS[wanted], transfer, moved)
    return moved


async def ship(
    context: ServiceContext,
    transfer_id: UUID,
    quantities: Mapping[UUID, int] | None,
    expected_version: int | None,
    key: str,
) -> Transfer:
    """Send a transfer off: its units are no longer for sale at its source, and incoming at its destination.

    `quantities` are the units that really go, by line (None: all). Raises NotFound, InvalidInput,
    IllegalTransition, VersionConflict, and InsufficientStock for every SKU the source has too few of.
    """
    require(context.actor, Permission.STOCK_WRITE)
    asked = sorted((str(line_id), units) for line_id, units in (quantities or {}).items())
    claim = _claim(
        context, "transferShip", key, [str(transfer_id), quantities is None, asked, expected_version]
    )
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _found(transaction, transfer_id)
        transfer = await _locked(transaction, transfer_id)
        transaction.answer({"transfer": str(transfer_id)})
        shipped = decide.ship(transfer, quantities, expected_version, transaction.now)
        if shipped is None:
            return transfer
        changed, movements = shipped
        await _check_in_use(transaction, changed)
        await rows.save(transaction.connection, changed)
        await _record(transaction, "TransferShipped", transfer, changed)
        await _move(transaction, changed, movements, quantities)
    return changed


async def receive(
    context: ServiceContext,
    transfer_id: UUID,
    receipts: Sequence[Receipt],
    *,
    close: bool,
    expected_version: int | None,
    key: str,
) -> Transfer:
    """Book what arrived, as often as something does; `close` writes off what never will.

    Raises NotFound, InvalidInput naming the line, IllegalTransition and VersionConflict.
    """
    require(context.actor, Permission.STOCK_WRITE)
    claim = _claim(
        context, "transferReceive", key, [str(transfer_id), str(receipts), close, expected_version]
    )
    async with context.transaction() as transaction:
        if await transaction.replay(claim) is not None:
            return await _found(transaction, transfer_id)
        transfer = await _locked(transaction, transfer_id)
        changed, movements = decide.receive(
            transfer, receipts, close=close, expected_version=expected_version, now=transaction.now
        )
        await rows.save(transaction.connection, changed)
        await _record(transaction, "TransferReceived", transfer, changed)
        await _move(transaction, changed, movements, None)
        transaction.answer({"transfer": str(transfer_id)})
    return changed


async def find(context: ServiceContext, transfer_id: UUID) -> Transfer | None:
    """Return a transfer, None where there is none."""
    require(context.actor, Permission.STOCK_READ)
    async with context.read() as connection:
        return await rows.by_id(connection, transfer_id)


async def page(
    context: ServiceContext,
    size: int,
    after: tuple[datetime, UUID] | None,
    *,
    location_code: str | None,
    status: TransferStatus | None,
) -> list[Transfer]:
    """Return transfers from the newest on, one more than the page has if there are more; raises NotFound."""
    require(context.actor, Permission.STOCK_READ)
    async with context.read() as connection:
        location_id = None
        if location_code is not None:
            location_id = await _location_id(connection, location_code, "locationCode")
        return await rows.page(connection, size + 1, after, location_id=location_id, status=status)


_KINDS = {
    TransferStatus.DRAFT: "TransferReopened",
    TransferStatus.READY_TO_SHIP: "TransferReady",
    TransferStatus.CANCELED: "TransferCanceled",
}


async def _changed(transaction: Transaction, transfer: Transfer, given: TransferChanges) -> Transfer:
    note = kept(given.note, transfer.note)
    if note is not None:
        note = require_text(note, decide.MAX_NOTE_LENGTH, "note")
    changed = replace(transfer, note=note, expected_at=kept(given.expected_at, transfer.expected_at))
    if given.lines is KEEP:
        return changed
    return replace(changed, lines=await _lines(transaction, transfer, given.lines))


async def _lines(
    transaction: Transaction, transfer: Transfer, wanted: WantedLines
) -> tuple[TransferLine, ...]:
    refs = [ref for ref, _ in wanted if ref.sku is None or is_storable(ref.sku)]
    known = await catalog.variants_by_ref(transaction.connection, refs)
    unknown = [position for position, (ref, _) in enumerate(wanted) if ref not in known]
    if unknown:
        wrong: list[DomainError] = [
            NotFound("there is no such variant", "lines", str(position), "variant") for position in unknown
        ]
        raise wrong[0] if len(wrong) == 1 else Several(wrong)
    found = [(known[ref], units) for ref, units in wanted]
    decide.check_lines([(variant.id, units) for variant, units in found])
    ids = {line.variant_id: line.id for line in transfer.lines}
    return tuple(
        TransferLine(ids.get(variant.id) or new_id(), variant.id, variant.sku, units)
        for variant, units in found
    )


async def _move(
    transaction: Transaction,
    transfer: Transfer,
    movements: Sequence[Movement],
    asked: Mapping[UUID, int] | None,
) -> None:
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind="transfer",
        source_id=transfer.id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if not short:
        return
    lines = {line.variant_id: line for line in transfer.lines}
    errors = []
    for one in short:
        line = lines[one.variant_id]
        path = decide.named_at(asked, line.id, "quantity")
        errors.append(InsufficientStock(line.sku, one.wanted, one.present, *path))
    raise errors[0] if len(errors) == 1 else Several(errors)


async def _location_id(connection: AsyncConnection, code: str, field: str) -> UUID:
    found = await locations.id_of_code(connection, code) if is_code(code) else None
    if found is None:
        raise NotFound("no location has this code", field)
    return found


async def _check_in_use(transaction: Transaction, transfer: Transfer) -> None:
    ends = [transfer.source_id, transfer.destination_id]
    if len(await locations.share(transaction.connection, ends)) < len(ends):
        raise InvalidInput("one of its locations has been archived: cancel the transfer", "id")


async def _locked(transaction: Transaction, transfer_id: UUID) -> Transfer:
    found = await rows.lock(transaction.connection, transfer_id)
    if found is None:
        raise _no_transfer()
    return found


async def _found(transaction: Transaction, transfer_id: UUID) -> Transfer:
    found = await rows.by_id(transaction.connection, transfer_id)
    if found is None:
        raise _no_transfer()
    return found


def _no_transfer() -> NotFound:
    return NotFound("no transfer has this id", "id")


def _claim(context: ServiceContext, operation: str, key: str, request: object) -> Claim:
    return claim_for(f"{operation}:{context.actor.label}", check_key(key), request)


async def _record(transaction: Transaction, kind: str, before: Transfer | None, after: Transfer) -> None:
    await audit.record(transaction, kind, "transfer", after.id, before, after)
    payload = {
        "number": after.number,
        "status": after.status.value,
        "sourceId": str(after.source_id),
        "destinationId": str(after.destination_id),
    }
    transaction.emit(Event(kind, "transfer", after.id, after.version, transaction.now, None, payload))
