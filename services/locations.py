"""Use cases of locations."""

from dataclasses import replace
from uuid import UUID

from domain import addresses
from domain import locations as decide
from domain.addresses import Address
from domain.kernel.changes import check_version
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.locations import Location, LocationChanges
from persistence import locations as rows
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction


async def create(context: ServiceContext, code: str, name: str, address: Address | None = None) -> Location:
    """Create a location; channels served by every location are served by it from now on.

    Raises InvalidInput for a bad or taken code, a bad name or an address its country does not know.
    """
    require(context.actor, Permission.LOCATIONS_WRITE)
    code, name = decide.check_new(code, name)
    checked = None if address is None else addresses.check(address, "address")
    location = Location(new_id(), code, name, checked)
    async with context.transaction() as transaction:
        if not await rows.create(transaction.connection, location, transaction.now):
            raise InvalidInput(f"a location with the code {code!r} exists already", "code")
        await rows.lock_serving(transaction.connection)
        await rows.serve_open_channels(transaction.connection, location.id)
        await audit.record(transaction, "LocationCreated", "location", location.id, after=location)
        transaction.emit(_event(transaction, "LocationCreated", location))
    return location


async def list_all(context: ServiceContext) -> list[Location]:
    """Return the locations in use, by code; for staff."""
    require(context.actor, Permission.STOCK_READ)
    async with context.read() as connection:
        return await rows.list_all(connection)


async def update(
    context: ServiceContext, location_id: UUID, changes: LocationChanges, expected_version: int | None = None
) -> Location:
    """Change a location; raises NotFound, VersionConflict, and InvalidInput naming the field."""
    require(context.actor, Permission.LOCATIONS_WRITE)
    async with context.transaction() as transaction:
        location = await _locked(transaction, location_id, expected_version)
        changed = decide.change(location, changes)
        if changed is not location:
            await rows.save(transaction.connection, changed)
            await audit.record(transaction, "LocationUpdated", "location", location.id, location, changed)
            transaction.emit(_event(transaction, "LocationUpdated", changed))
    return changed


async def archive(
    context: ServiceContext, location_id: UUID, expected_version: int | None = None
) -> Location:
    """Archive a location that is empty: it serves no channel any more.

    Raises NotFound, VersionConflict, and InvalidInput while units are there or on their way.
    """
    require(context.actor, Permission.LOCATIONS_WRITE)
    async with context.transaction() as transaction:
        location = await _locked(transaction, location_id, expected_version)
        units = await rows.lock_units(transaction.connection, location.id)
        if units:
            raise InvalidInput(f"{units} units are there or on their way: move them or count them out", "id")
        gone = replace(location, version=location.version + 1)
        await rows.archive(transaction.connection, gone, transaction.now)
        await audit.record(transaction, "LocationArchived", "location", location.id, before=location)
        transaction.emit(_event(transaction, "LocationArchived", gone))
    return gone


async def _locked(transaction: Transaction, location_id: UUID, expected_version: int | None) -> Location:
    location = await rows.lock(transaction.connection, location_id)
    if location is None:
        raise NotFound("no location has this id", "id")
    check_version(location.version, expected_version)
    return location


def _event(transaction: Transaction, kind: str, location: Location) -> Event:
    payload = {"code": location.code}
    return Event(kind, "location", location.id, location.version, transaction.now, None, payload)
