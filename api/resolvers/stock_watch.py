"""Subscriptions of staff to stock."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from api.context import Info
from api.resolvers.root_fields import subscription
from api.schema.inventory import StockLevel
from api.schema.stock_watch import StockAlert
from api.sharing import Scope
from domain.stock_watch import Watched
from realtime.events import FeedEvent
from realtime.stock_watch import follow
from services import stock_watch
from services.access import Permission


@strawberry.type
class StockWatchSubscription:
    """Subscriptions of staff to stock."""

    @subscription(Permission.STOCK_READ, Scope.PERMISSIONS, conflate_by=lambda level: level.sku)
    async def stock_changed(
        self, info: Info, location_code: str, skus: list[str] | None = None
    ) -> AsyncGenerator[StockLevel]:
        """Staff: latest level of each SKU at one location; a slow reader gets the newest, not every one.

        With up to 200 skus their current levels come first; without, changes of every SKU there.
        """
        service, live = info.context.service, info.context.live
        found = await stock_watch.watchable(service, location_code, skus)
        if skus is None:
            live.start.changes_only()

        async def read() -> Watched:
            return await stock_watch.current(service, location_code, skus or ()) or found

        async with aclosing(follow(live.feed, found.location.id, skus, read)) as levels:
            async for level in levels:
                yield StockLevel.of(level)

    @subscription(Permission.STOCK_READ, Scope.PERMISSIONS)
    async def low_stock(
        self, info: Info, threshold: int, location_code: str | None = None, after: str | None = None
    ) -> AsyncGenerator[StockAlert]:
        """Staff: each time that the units available of a SKU at a location fall to the threshold or below.

        Not again until they were above it. Without locationCode at any location.
        """
        alarm = await stock_watch.alarm(info.context.service, threshold, location_code)

        def rings(event: FeedEvent) -> bool:
            return alarm.rings(event.payload)

        async with info.context.events(after, aggregate="stock", only=rings) as events:
            async for event in events:
                yield StockAlert.of(event, threshold)
