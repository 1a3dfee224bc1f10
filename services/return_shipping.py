"""Use cases of what channels say of how returns are sent."""

from dataclasses import replace
from uuid import UUID

from domain.carrier_ports import ReturnLabeler
from domain.kernel.changes import check_version
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from domain.locations import is_code
from domain.return_parcels import MAX_INSTRUCTIONS_LENGTH, MAX_REMIND_DAYS, ReturnShipping
from persistence import channels, locations
from persistence import return_shipping as rows
from services import audit
from services.access import Permission, require
from services.context import ServiceContext

_LONGEST_CODE = 100


async def said(context: ServiceContext) -> list[ReturnShipping]:
    """Return what is said for every channel first, then what each says."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return await rows.all_of_them(connection)


async def set_for(
    context: ServiceContext,
    channel: str | None,
    location_code: str | None,
    wanted: ReturnShipping,
    expected_version: int | None = None,
) -> ReturnShipping:
    """Set how returns of a channel (a slug), or of all others, are sent, in place of what was said.

    Raises NotFound and InvalidInput naming the field, and VersionConflict; where nothing was said it has
    version 0.
    """
    require(context.actor, Permission.RETURNS_WRITE)
    wanted = _checked(context, wanted)
    async with context.transaction() as transaction:
        channel_id: UUID | None = None
        if channel is not None:
            found = await channels.by_slug(transaction.connection, channel)
            if found is None:
                raise NotFound("there is no such channel", "channel")
            channel_id = found.id
        location_id = None
        if location_code is not None:
            if is_code(location_code):
                location_id = await locations.id_of_code(transaction.connection, location_code)
            if location_id is None:
                raise NotFound("no location has this code", "locationCode")
        stored = await rows.set_for(
            transaction.connection, new_id(), replace(wanted, channel_id=channel_id, location_id=location_id)
        )
        assert stored.id is not None, "its key"  # noqa: S101
        # Written first: whoever else writes it waits for us, also where nothing was said before.
        check_version(stored.version - 1, expected_version)
        await audit.record(transaction, "ReturnShippingSet", "return_shipping", stored.id, None, stored)
    return stored


def _checked(context: ServiceContext, wanted: ReturnShipping) -> ReturnShipping:
    carrier: object = context.environment.carriers.get(wanted.provider or "")
    if wanted.provider is not None and carrier is None:
        raise InvalidInput("is no carrier that is set up", "provider")
    if wanted.service_code is not None and not isinstance(carrier, ReturnLabeler):
        raise InvalidInput(
            "only a carrier that sells labels for returns, named too, has services", "serviceCode"
        )
    if not 0 <= wanted.remind_days <= MAX_REMIND_DAYS:
        raise InvalidInput(f"must be between 0 and {MAX_REMIND_DAYS}", "remindDays")
    code, words = wanted.service_code, wanted.instructions
    return replace(
        wanted,
        service_code=None if code is None else require_text(code, _LONGEST_CODE, "serviceCode"),
        instructions=None if words is None else require_text(words, MAX_INSTRUCTIONS_LENGTH, "instructions"),
    )
