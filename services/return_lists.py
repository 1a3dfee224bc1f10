"""Use cases of work lists of returns."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.kernel.errors import NotFound, under
from domain.kernel.moments import in_utc
from domain.kernel.quantities import is_storable
from domain.locations import is_code
from domain.return_lists import ReturnFilter
from domain.returns import Return
from persistence import locations
from persistence import return_lists as rows
from services import channels
from services.access import Permission, require
from services.context import ServiceContext


async def page(
    context: ServiceContext,
    narrowed: ReturnFilter,
    channel_slug: str | None,
    location_code: str | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Return]:
    """Return returns from the newest on, one more than the page has if there are more; for staff.

    Raises NotFound for the channel and the location, and InvalidInput for the rest of the filter.
    """
    require(context.actor, Permission.RETURNS_READ)
    with under("filter"):
        narrowed = replace(
            narrowed,
            channel_id=(await channels.get(context, channel_slug)).id if channel_slug is not None else None,
            created_from=_in_utc(narrowed.created_from, "createdFrom"),
            created_before=_in_utc(narrowed.created_before, "createdBefore"),
        )
        if narrowed.order_number is not None and not is_storable(narrowed.order_number):
            return []
        async with context.read() as connection:
            if location_code is not None:
                location_id = None
                if is_code(location_code):
                    location_id = await locations.id_of_code(connection, location_code)
                if location_id is None:
                    raise NotFound("no location has this code", "locationCode")
                narrowed = replace(narrowed, location_id=location_id)
            return await rows.page(connection, narrowed, size + 1, after, context.now())


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    return None if moment is None else in_utc(moment, field)
