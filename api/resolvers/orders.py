"""Root fields of orders."""

from collections.abc import AsyncGenerator

import strawberry

from api.context import Info
from api.loaders import Loaders
from api.pagination import page_request
from api.resolvers.root_fields import TOKEN, OwnOr, mutation, query, subscription
from api.scalars import decode_id
from api.schema.order_lists import KEY, NEWEST, OrderConnection, OrderFilter
from api.schema.orders import (
    Order,
    OrderApproveInput,
    OrderCancelInput,
    OrderEvent,
    OrderPayload,
    OrderPlaceInput,
    OrderPlacePayload,
    OrderRef,
    OrderRejectInput,
)
from api.schema.payments import Payment
from api.sharing import Scope
from domain.kernel.errors import NotFound
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from domain.order_placement import Placement
from domain.payment_means import means_in
from domain.pricing import Explanation
from persistence.order_parts import OrderParts
from realtime.patience import patiently
from services import order_lists, order_placement, orders
from services.access import Permission


@strawberry.type
class OrdersQuery:
    """Queries of orders."""

    @query(TOKEN)
    async def order(self, info: Info, ref: OrderRef) -> Order | None:
        """One order, for whoever holds its token, owns it or may read orders; null when there is none."""
        try:
            named = ref.to_domain("ref")
        except NotFound:
            return None
        order = await orders.find(info.context.service, named)
        return Order.of(order) if order else None

    @query(OwnOr(Permission.ORDERS_READ))
    async def orders(
        self,
        info: Info,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        filter: OrderFilter | None = None,  # noqa: A002
    ) -> OrderConnection | None:
        """Every order in reach, newest first: staff and apps read all, a customer their own."""
        request = page_request(NEWEST, KEY, first, after)
        narrowed = filter or OrderFilter()
        found = await order_lists.page(
            info.context.service, narrowed.to_domain(), narrowed.channel, request.size, request.after
        )
        return OrderConnection.of(found, request)


@strawberry.type
class OrdersMutation:
    """Mutations of orders."""

    @mutation(OrderPlacePayload, TOKEN)
    async def order_place(self, info: Info, input: OrderPlaceInput) -> OrderPlacePayload | None:  # noqa: A002
        """Secure the stock, authorize the payment and place the order of a cart; once per key."""
        placed = await order_placement.place(
            info.context.service,
            input.cart_token,
            input.payment.provider,
            input.payment.method,
            input.idempotency_key,
            means_in(input.payment.token, input.payment.return_url, input.payment.reference),
        )
        if placed.placement is not None:
            keep_placement(info.context.loaders, placed.placement)
        return OrderPlacePayload(
            order=Order.of(placed.order) if placed.order else None,
            order_token=placed.order_token,
            payment=Payment.of(placed.payment, placed.action),
        )

    @mutation(OrderPayload, Permission.ORDERS_WRITE)
    async def order_approve(self, info: Info, input: OrderApproveInput) -> OrderPayload | None:  # noqa: A002
        """Let an order that waits for approval be processed."""
        order = await orders.approve(
            info.context.service,
            decode_id("Order", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
            input.note,
        )
        return OrderPayload(order=Order.of(order))

    @mutation(OrderPayload, Permission.ORDERS_WRITE)
    async def order_reject(self, info: Info, input: OrderRejectInput) -> OrderPayload | None:  # noqa: A002
        """Turn down an order that waits for approval: its stock goes back on sale, its payment is voided."""
        order = await orders.reject(
            info.context.service,
            decode_id("Order", input.id, "id"),
            input.reason,
            input.expected_version,
            input.idempotency_key,
            input.note,
        )
        return OrderPayload(order=Order.of(order))

    @mutation(OrderPayload, TOKEN)
    async def order_cancel(self, info: Info, input: OrderCancelInput) -> OrderPayload | None:  # noqa: A002
        """Cancel an order of which nothing is shipped: stock goes back on sale, its payment is voided."""
        order = await orders.cancel(
            info.context.service,
            input.ref.to_domain("ref"),
            input.reason,
            input.expected_version,
            input.idempotency_key,
        )
        return OrderPayload(order=Order.of(order))


@strawberry.type
class OrdersSubscription:
    """Subscriptions of orders."""

    @subscription(Permission.ORDERS_READ, Scope.PERMISSIONS)
    async def order_events(self, info: Info, after: str | None = None) -> AsyncGenerator[OrderEvent]:
        """Staff: every order event in reach."""
        async with info.context.events(after, aggregate="order") as events:
            async for event in events:
                yield OrderEvent.of(event)

    @subscription(TOKEN, Scope.PERMISSIONS)
    async def order_updated(
        self, info: Info, ref: OrderRef, after: str | None = None
    ) -> AsyncGenerator[OrderEvent]:
        """One order, for whoever holds its token or may see it."""
        service, named = info.context.service, ref.to_domain("ref")
        followed = await orders.get(service, named)
        async with info.context.events(after, aggregate="order", aggregate_id=followed.id) as events:
            async for event in events:
                # Read anew for each event: the token may have been revoked since.
                order = await patiently(lambda: orders.get(service, named))
                yield OrderEvent.of(event, order)


def keep_placement(loaders: Loaders, placement: Placement) -> None:
    """Let the payload show what was just written without reading it again."""
    order_id = placement.order.id
    loaders.order_lines().prime(order_id, list(placement.lines))
    loaders.order_explanations().prime(order_id, Explanation(placement.adjustments))
    parts = OrderParts(placement.fulfillment_orders, (), placement.payments)
    loaders.order_parts().prime(order_id, parts)
