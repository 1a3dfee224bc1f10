"""Root fields of routing."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.routing import (
    LONGEST_UNFILLABLE,
    ChannelRouting,
    ChannelRoutingPayload,
    ChannelRoutingUpdateInput,
    OrderRerouteInput,
    OrderReroutePayload,
    RoutingPreviewInput,
    UnfillableOrderConnection,
)
from api.schema.routing_decisions import RoutingDecision
from domain.kernel.errors import InvalidInput, under
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import reroutes, routing_settings
from services.access import Permission


@strawberry.type
class RoutingQuery:
    """Queries of routing."""

    @query(Permission.FULFILLMENT_READ)
    async def channel_routing(self, info: Info, channel: str) -> ChannelRouting | None:
        """How the orders of a channel (its slug) are routed."""
        return ChannelRouting.of(await routing_settings.of_channel(info.context.service, channel))

    @query(Permission.FULFILLMENT_READ)
    async def routing_preview(self, info: Info, input: RoutingPreviewInput) -> RoutingDecision | None:  # noqa: A002
        """From where a cart, or goods, would be sent if they were ordered now; changes nothing."""
        service = info.context.service
        if input.cart_token is not None:
            return RoutingDecision.of(await routing_settings.preview_cart(service, input.cart_token))
        if input.channel is None or input.lines is None or input.address is None:
            raise InvalidInput("name a cartToken, or channel, lines and address", "input")
        lines = []
        for at, line in enumerate(input.lines):
            with under("lines", str(at)):
                lines.append((line.variant.to_domain("variant"), line.quantity))
        decision = await routing_settings.preview(service, input.channel, lines, input.address.to_domain())
        return RoutingDecision.of(decision)

    @query(Permission.FULFILLMENT_READ)
    async def unfillable_orders(
        self, info: Info, first: int | None = DEFAULT_PAGE_SIZE, after: str | None = None
    ) -> UnfillableOrderConnection | None:
        """Orders of which units have to be sent that no location can send now, those longest so first."""
        request = page_request(LONGEST_UNFILLABLE, (datetime, UUID), first, after)
        found = await reroutes.unfillable(info.context.service, request.size + 1, request.after)
        return UnfillableOrderConnection.of(found, request)


@strawberry.type
class RoutingMutation:
    """Mutations of routing."""

    @mutation(ChannelRoutingPayload, Permission.ROUTING_WRITE)
    async def channel_routing_update(
        self,
        info: Info,
        input: ChannelRoutingUpdateInput,  # noqa: A002
    ) -> ChannelRoutingPayload | None:
        """Change how a channel's orders are routed from now on."""
        found = await routing_settings.update(
            info.context.service, input.channel, input.to_changes(), input.expected_version
        )
        return ChannelRoutingPayload(routing=ChannelRouting.of(found))

    @mutation(OrderReroutePayload, Permission.ROUTING_WRITE)
    async def order_reroute(self, info: Info, input: OrderRerouteInput) -> OrderReroutePayload | None:  # noqa: A002
        """Route an order again by what is in stock now; what somebody works on stays where it is."""
        done = await reroutes.order(
            info.context.service,
            decode_id("Order", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
        )
        return OrderReroutePayload.of(done)
