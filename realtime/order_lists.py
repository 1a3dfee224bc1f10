"""Lists of orders as they change: each event of an order that is in the list, was, or may come to be."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

from domain.order_lists import OrderFilter
from domain.orders import Order
from realtime.batches import Batches
from realtime.events import FeedEvent
from realtime.patience import patiently
from realtime.readers import Subscription

Read = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Order]]]
"""Reads orders as they are now."""


def concerns(narrowed: OrderFilter, event: FeedEvent) -> bool:
    """Say whether an event may be of an order in the list, as far as it tells; an order keeps its channel."""
    return narrowed.channel_id is None or event.channel_id in {None, narrowed.channel_id}


async def follow(
    events: Subscription, narrowed: OrderFilter, batches: Batches, read: Read
) -> AsyncGenerator[tuple[FeedEvent, Order]]:
    """Yield the events of orders that can be in the list at all, each with its order as it is now.

    Other lists that are followed want the same orders at the same time: one statement reads them for all.
    """
    async for event in events:
        wanted = partial(batches.load, "orders", [event.aggregate_id], read)
        order = (await patiently(wanted))[event.aggregate_id]
        if narrowed.may_ever_match(order):
            yield event, order
