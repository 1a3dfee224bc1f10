"""Subscriptions to lists of orders."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

import strawberry

from api.context import Info
from api.resolvers.root_fields import subscription
from api.schema.order_lists import OrderFilter, OrdersChange
from api.sharing import Scope
from realtime.order_lists import concerns, follow
from services import order_lists
from services.access import Permission


@strawberry.type
class OrderListsSubscription:
    """Subscriptions to lists of orders."""

    @subscription(Permission.ORDERS_READ, Scope.PERMISSIONS)
    async def orders_changed(
        self,
        info: Info,
        filter: OrderFilter | None = None,  # noqa: A002
        after: str | None = None,
    ) -> AsyncGenerator[OrdersChange]:
        """Staff: what happens to the orders of a list; one that leaves it is told with matches: false."""
        service, asked = info.context.service, filter or OrderFilter()
        narrowed = await order_lists.checked(service, asked.to_domain(), asked.channel)
        read, batches = partial(order_lists.by_ids, service), info.context.live.batches
        only = partial(concerns, narrowed)
        async with (
            info.context.events(after, aggregate="order", only=only) as events,
            aclosing(follow(events, narrowed, batches, read)) as changes,
        ):
            async for event, order in changes:
                yield OrdersChange.of(event, order, matches=narrowed.matches(order))
