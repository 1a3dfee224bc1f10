"""GraphQL types of lists of fulfillment orders."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.schema.fulfillment import FulfillmentOrder, FulfillmentOrderStatus, FulfillmentWork
from api.schema.order_holds import FulfillmentHoldKind
from api.schema.orders import Order
from domain import fulfillment_lists as domain

OLDEST = "CREATED_OLDEST"
"""The one order of these lists, named in their cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: since when it is to be sent, and its id."""


@strawberry.input(description="What narrows a list of fulfillment orders; what is left out does not.")
class FulfillmentOrderFilter:
    """A filter of fulfillment orders."""

    location_code: str | None = None
    status: list[FulfillmentOrderStatus] | None = None  # type: ignore[valid-type]
    work: list[FulfillmentWork] | None = None  # type: ignore[valid-type]
    holds: list[FulfillmentHoldKind] | None = strawberry.field(  # type: ignore[valid-type]
        default=None, description="Has a hold of one of these kinds."
    )
    created_from: datetime | None = None
    created_before: datetime | None = None

    def to_domain(self) -> domain.FulfillmentFilter:
        """Return the filter, still to be checked; the location is looked up by whoever checks it."""
        return domain.FulfillmentFilter(
            statuses=None if self.status is None else tuple(self.status),
            works=None if self.work is None else tuple(self.work),
            holds=None if self.holds is None else tuple(self.holds),
            created_from=self.created_from,
            created_before=self.created_before,
        )


@strawberry.type
class FulfillmentOrderEdge:
    """A fulfillment order and where it stands in the list."""

    cursor: str
    node: FulfillmentOrder
    created_at: datetime = strawberry.field(description="Since when it is to be sent.")
    order_id: strawberry.Private[UUID]

    @strawberry.field(description="The order that it is a part of.")  # type: ignore[untyped-decorator]
    async def order(self, info: Info) -> Order:
        """Return the order."""
        order = await info.context.loaders.orders().load(self.order_id)
        assert order is not None, "a foreign key holds every fulfillment order to its order"  # noqa: S101
        return Order.of(order)


@strawberry.type
class FulfillmentOrderConnection:
    """A page of fulfillment orders."""

    edges: list[FulfillmentOrderEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.Listed], request: PageRequest) -> "FulfillmentOrderConnection":
        """Return the page; one beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: FulfillmentOrderEdge(
                cursor=cursor(OLDEST, one.created_at, one.part.id),
                node=FulfillmentOrder.of(one.part),
                created_at=one.created_at,
                order_id=one.part.order_id,
            ),
        )
        return cls(edges=edges, page_info=page_info)
