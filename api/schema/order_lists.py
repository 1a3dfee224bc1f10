"""GraphQL types of order lists."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.schema.orders import Order, OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from domain import order_lists as domain
from domain import orders
from realtime.events import FeedEvent

NEWEST = "PLACED_NEWEST"
"""The one order of these lists, named in their cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: when the order was placed, and its id."""


@strawberry.input(
    description="What narrows a list of orders; what is left out does not. search finds an order's number, "
    "its number where it was imported from, or the shopper's e-mail address, each as a whole."
)
class OrderFilter:
    """A filter of orders."""

    channel: str | None = None
    status: list[OrderStatus] | None = None  # type: ignore[valid-type]
    payment_status: list[OrderPaymentStatus] | None = None  # type: ignore[valid-type]
    fulfillment_status: list[OrderFulfillmentStatus] | None = None  # type: ignore[valid-type]
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    search: str | None = None

    def to_domain(self) -> domain.OrderFilter:
        """Return the filter, still to be checked; the channel is looked up by whoever checks it."""
        return domain.OrderFilter(
            statuses=self.status,
            payment_statuses=self.payment_status,
            fulfillment_statuses=self.fulfillment_status,
            placed_from=self.placed_from,
            placed_before=self.placed_before,
            search=self.search,
        )


@strawberry.type
class OrderEdge:
    """An order and where it stands in the list."""

    cursor: str
    node: Order


@strawberry.type
class OrderConnection:
    """A page of orders."""

    edges: list[OrderEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[orders.Order], request: PageRequest) -> "OrderConnection":
        """Return the page; an order beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda order: OrderEdge(cursor=cursor(NEWEST, order.placed_at, order.id), node=Order.of(order)),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.type(
    description="Something happened to an order that is in a list, was, or may come to be. matches says "
    "whether it is in the list now: then show it, else remove it."
)
class OrdersChange:
    """A change of a list of orders."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int = strawberry.field(description="The version that the event made; order may be further.")
    matches: bool
    order: Order = strawberry.field(description="The order as it is when the change is delivered.")

    @classmethod
    def of(cls, event: FeedEvent, order: orders.Order, *, matches: bool) -> "OrdersChange":
        """Return the GraphQL form of an event and of what became of its order."""
        return cls(
            cursor=event.cursor,
            kind=event.kind,
            occurred_at=event.occurred_at,
            version=event.version,
            matches=matches,
            order=Order.of(order),
        )
