"""Use cases of locations."""

from domain import addresses
from domain import locations as decide
from domain.addresses import Address
from domain.kernel.errors import InvalidInput
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.locations import Location
from persistence import locations as rows
from services import audit
from services.access import Permission, require
from services.context import ServiceContext


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
        await rows.serve_open_channels(transaction.connection, location.id)
        await audit.record(transaction, "LocationCreated", "location", location.id, after=location)
        transaction.emit(
            Event(
                kind="LocationCreated",
                aggregate="location",
                aggregate_id=location.id,
                version=location.version,
                occurred_at=transaction.now,
                payload={"code": code},
            )
        )
    return location
