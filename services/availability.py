"""Use cases of availability."""

from collections.abc import Sequence

from domain.availability import Availability
from domain.channels import Channel
from persistence import availability as rows
from services.context import ServiceContext


async def of_skus(context: ServiceContext, channel: Channel, skus: Sequence[str]) -> list[Availability]:
    """Return what a channel can sell of each SKU that exists, in the order asked for."""
    now = context.now()
    async with context.read() as connection:
        found = await rows.units_by_sku(connection, channel.id, skus)
    return [
        Availability(found[sku][0], sku, channel.slug, found[sku][1], now) for sku in skus if sku in found
    ]
