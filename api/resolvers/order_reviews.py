"""Root fields of reviews of orders."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import query
from api.schema.order_reviews import DUE, KEY, OrderReviewConnection, OrderReviewState
from api.schema.orders import Order
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from domain.order_reviews import ReviewState
from services import order_reviews
from services.access import Permission


@strawberry.type
class OrderReviewsQuery:
    """Queries of reviews."""

    @query(Permission.ORDERS_READ)
    async def order_reviews(
        self,
        info: Info,
        state: OrderReviewState = ReviewState.OPEN,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        channel: str | None = None,
    ) -> OrderReviewConnection | None:
        """The orders that wait for a person, or those decided so: due soonest first."""
        request = page_request(DUE, KEY, first, after)
        found = await order_reviews.page(info.context.service, state, channel, request.size, request.after)
        return OrderReviewConnection.of([(review, Order.of(order)) for review, order in found], request)
