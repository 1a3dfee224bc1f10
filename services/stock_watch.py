"""Use cases of watching stock: what may be watched, and how it stands."""

from collections.abc import Sequence

from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.quantities import is_storable
from domain.stock_watch import Alarm, Watched, check_threshold
from persistence import stock_watch as rows
from services.access import Permission, require
from services.context import ServiceContext

MOST_SKUS = 200
"""Most SKUs one watcher may name; whoever wants more watches the whole location."""


async def watchable(context: ServiceContext, location_code: str, skus: Sequence[str] | None) -> Watched:
    """Return a location and its levels of the SKUs that somebody wants to watch (None: all, unread).

    Raises NotFound for a location that is not in use and for a SKU that does not exist, InvalidInput
    for no or more than MOST_SKUS SKUs.
    """
    require(context.actor, Permission.STOCK_READ)
    distinct = list(dict.fromkeys(skus or ()))
    if skus is not None and not 1 <= len(distinct) <= MOST_SKUS:
        raise InvalidInput(f"name 1 to {MOST_SKUS} SKUs, or none for all of the location", "skus")
    found = await current(context, location_code, [sku for sku in distinct if is_storable(sku)])
    if found is None or not found.in_use:
        raise NotFound(f"no location has the code {location_code[:64]!r}", "locationCode")
    for index, sku in enumerate(skus or ()):
        if sku not in found.skus:
            raise NotFound(f"no variant has the SKU {sku[:100]!r}", "skus", str(index))
    return found


async def alarm(context: ServiceContext, threshold: int, location_code: str | None) -> Alarm:
    """Return the alarm that somebody wants to hear; raises InvalidInput, and NotFound for the location."""
    require(context.actor, Permission.STOCK_READ)
    check_threshold(threshold)
    if location_code is None:
        return Alarm(threshold)
    return Alarm(threshold, (await watchable(context, location_code, None)).location.id)


async def current(context: ServiceContext, location_code: str, skus: Sequence[str]) -> Watched | None:
    """Return a location, in use or not, and its levels of SKUs as they are now."""
    if not is_storable(location_code):
        return None
    async with context.read() as connection:
        return await rows.watched(connection, location_code, skus)
