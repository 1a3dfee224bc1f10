"""Use cases of order lists."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain import order_lists as decide
from domain.kernel.errors import under
from domain.kernel.moments import in_utc
from domain.order_lists import OrderFilter
from domain.orders import Order
from persistence import order_lists as rows
from persistence import orders
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

    To a customer their own. Raises NotFound for the channel and InvalidInput for the filter.
    """
    owner = context.actor.customer_id
    if owner is None:
        require(context.actor, Permission.ORDERS_READ)
    checked_filter = await checked(context, narrowed, channel_slug)
    async with context.read() as connection:
        return await rows.page(connection, checked_filter, size + 1, after, owner)


async def checked(context: ServiceContext, narrowed: OrderFilter, channel_slug: str | None) -> OrderFilter:
    """Return a filter as a client wrote it, checked and with its channel.

    Raises NotFound for the channel and InvalidInput for the rest.
    """
    with under("filter"):
        return replace(
            narrowed,
            channel_id=(await channels.get(context, channel_slug)).id if channel_slug is not None else None,
            search=decide.check_search(narrowed.search),
            placed_from=_in_utc(narrowed.placed_from, "placedFrom"),
            placed_before=_in_utc(narrowed.placed_before, "placedBefore"),
        )


async def by_ids(context: ServiceContext, ids: Sequence[UUID]) -> dict[UUID, Order]:
    """Return orders as they are now, by id."""
    require(context.actor, Permission.ORDERS_READ)
    async with context.read() as connection:
        return await orders.by_ids(connection, ids)


def _in_utc(moment: datetime | None, field: str) -> datetime | None:
    return None if moment is None else in_utc(moment, field)
