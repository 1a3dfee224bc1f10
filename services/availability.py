"""Use cases of availability."""

from collections.abc import Sequence

from domain.availability import Availability
from domain.channels import Channel
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.quantities import is_storable
from persistence import availability as rows
from services import channels
from services.context import ServiceContext

MOST_SKUS = 200
"""Most SKUs one reader may follow."""


async def followable(
    context: ServiceContext, slug: str, skus: Sequence[str]
) -> tuple[Channel, dict[str, Availability]]:
    """Return the channel and what it can sell now of the SKUs that may be followed there.

    Raises InvalidInput for no or more than MOST_SKUS SKUs, NotFound for a channel or SKU that does
    not exist.
    """
    distinct = list(dict.fromkeys(skus))
    if not len(skus) >= 1 or len(distinct) > MOST_SKUS:
        raise InvalidInput(f"name 1 to {MOST_SKUS} SKUs", "skus")
    channel = await channels.get(context, slug)
    storable = [sku for sku in distinct if is_storable(sku)]
    known = {found.sku: found for found in await of_skus(context, channel, storable)}
    for index, sku in enumerate(skus):
        if sku not in known:
            raise NotFound(f"no variant has the SKU {sku[:100]!r}", "skus", str(index))
    return channel, known


async def of_skus(context: ServiceContext, channel: Channel, skus: Sequence[str]) -> list[Availability]:
    """Return what a channel can sell of each SKU that exists, in the order asked for."""
    now = context.now()
    async with context.read() as connection:
        found = await rows.units_by_sku(connection, channel.id, skus)
    return [
        Availability(found[sku][0], sku, channel.slug, found[sku][1], now) for sku in skus if sku in found
    ]
