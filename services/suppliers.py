"""Use cases of suppliers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain import suppliers as decide
from domain.kernel.changes import Keep
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.suppliers import Supplier
from persistence import suppliers as rows
from persistence.suppliers import ROWS
from services.access import Permission, require
from services.context import ServiceContext, Transaction
from services.shipping_changes import Kind, locked, tell

_KIND = Kind("Supplier", "supplier", "supplier")


async def page(context: ServiceContext, size: int, after: str | None) -> list[Supplier]:
    """Return suppliers in use by code, one more than the page has if there are more."""
    require(context.actor, Permission.SUPPLIERS_READ)
    async with context.read() as connection:
        return await rows.page(connection, size + 1, after)


async def create(context: ServiceContext, code: str, name: str) -> Supplier:
    """Add a supplier; raises InvalidInput naming the field, code where another has it, archived ones too."""
    require(context.actor, Permission.SUPPLIERS_WRITE)
    made = decide.check_new(Supplier(new_id(), code, name))
    async with context.transaction() as transaction:
        if not await ROWS.create(transaction.connection, made, transaction.now):
            raise InvalidInput(f"a supplier with the code {made.code!r} exists already", "code")
        await _tell(transaction, "Created", None, made)
    return made


async def update(
    context: ServiceContext, supplier_id: UUID, name: str | Keep, expected_version: int | None
) -> Supplier:
    """Change a supplier in use; raises NotFound, VersionConflict, and InvalidInput naming the field."""
    require(context.actor, Permission.SUPPLIERS_WRITE)
    async with context.transaction() as transaction:
        before, _ = await locked(transaction, ROWS, _KIND, supplier_id, expected_version)
        after = decide.change(before, name)
        if after is not before:
            await ROWS.save(transaction.connection, after)
            await _tell(transaction, "Updated", before, after)
    return after


async def archive(context: ServiceContext, supplier_id: UUID, expected_version: int | None) -> Supplier:
    """Let no variant name a supplier anew; those that do keep it. Raises NotFound and VersionConflict."""
    require(context.actor, Permission.SUPPLIERS_WRITE)
    async with context.transaction() as transaction:
        before, _ = await locked(transaction, ROWS, _KIND, supplier_id, expected_version)
        gone = replace(before, archived=True, version=before.version + 1)
        await ROWS.archive(transaction.connection, gone.id, gone.version, transaction.now)
        await _tell(transaction, "Archived", before, gone)
    return gone


async def in_use(connection: AsyncConnection, codes: Iterable[str | None]) -> Mapping[str, UUID]:
    """Return the ids of the suppliers in use that have these codes, by code; no statement for none."""
    named = sorted({code for code in codes if code is not None and decide.is_code(code)})
    found = await rows.by_codes(connection, named) if named else {}
    return {code: one.id for code, one in found.items() if not one.archived}


def named(code: str | None, known: Mapping[str, UUID]) -> UUID | None:
    """Return the supplier that a variant names by a code; raises NotFound naming supplierCode."""
    if code is None:
        return None
    if code not in known:
        raise NotFound(f"no supplier in use has the code {code[:64]!r}", "supplierCode")
    return known[code]


async def _tell(transaction: Transaction, verb: str, before: Supplier | None, after: Supplier) -> None:
    payload = {"code": after.code, "name": after.name}
    await tell(transaction, _KIND, verb, before, after, after.version, None, payload)
