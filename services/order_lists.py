"""Use cases of order lists."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain import order_lists as decide
from domain.kernel.errors import under
from domain.kernel.moments import in_utc
from domain.order_lists import OrderFilter
from domain.orders import Order
from persistence import order_lists as rows
from services import channels
from services.access import Permission, require
from services.context import ServiceContext


async def page(
    context: ServiceContext,
    narrowed: OrderFilter,
    channel_slug: str | None,
    size: int,
    after: tuple[datetime, UUID] | None,
) -> list[Order]:
    """Return orders from the newest on, one more than the page has if there are more.

    Raises NotFound for the channel and InvalidInput for the filter.
    """
    require(context.actor, Permission.ORDERS_READ)
    with under("filter"):
        narrowed = replace(
            narrowed,
            channel_id=(await channels.get(context, channel_slug)).id if channel_slug is not None else None,
            search=decide.check_search(narrowed.search),
            placed_from=_in_utc(narrowed.placed_from, "placedFrom"),
            placed_before=_in_utc(narrowed.placed_before, "placedBefore"),
        )
    async with context.read() as connection:
        return await rows.page(connection, narrowed, size + 1, after)


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    return None if moment is None else in_utc(moment, field)
