"""Use cases of lists of fulfillment orders."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.fulfillment_lists import FulfillmentFilter, Listed
from domain.kernel.errors import NotFound, under
from domain.kernel.moments import in_utc
from domain.kernel.quantities import is_storable
from persistence import fulfillment
from persistence import fulfillment_lists as rows
from services.access import Permission, require
from services.context import ServiceContext


async def page(
    context: ServiceContext,
    narrowed: FulfillmentFilter,
    location_code: str | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Listed]:
    """Return fulfillment orders from the oldest on, one more than the page has if there are more.

    Raises NotFound for the location and InvalidInput for the filter.
    """
    require(context.actor, Permission.FULFILLMENT_READ)
    with under("filter"):
        narrowed = replace(
            narrowed,
            created_from=_in_utc(narrowed.created_from, "createdFrom"),
            created_before=_in_utc(narrowed.created_before, "createdBefore"),
        )
        async with context.read() as connection:
            if location_code is not None:
                code = location_code if is_storable(location_code) else ""
                location_id = await fulfillment.location_id(connection, code)
                if location_id is None:
                    raise NotFound("no location in use has this code", "locationCode")
                narrowed = replace(narrowed, location_id=location_id)
            return await rows.page(connection, narrowed, size + 1, after)


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    return None if moment is None else in_utc(moment, field)
