"""Root fields of click and collect."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, TOKEN, mutation, query
from api.scalars import decode_id
from api.schema.carts import Cart, CartPayload
from api.schema.fulfillment import FulfillmentOrder
from api.schema.orders import Order
from api.schema.pickup_places import NearInput, PickupLineInput, PickupOffer
from api.schema.pickups import (
    CartPickupSelectInput,
    FulfillmentOrderCollectedInput,
    FulfillmentOrderNotCollectedInput,
    FulfillmentOrderPickupPayload,
    FulfillmentOrderReadyInput,
)
from services import pickup_places, pickups
from services.access import Permission
from services.shipment_changes import Sent


@strawberry.type
class PickupsQuery:
    """Queries of click and collect."""

    @query(PUBLIC)
    async def pickup_locations(
        self,
        info: Info,
        channel: str | None = None,
        lines: list[PickupLineInput] | None = None,
        cart_token: str | None = None,
        near: NearInput | None = None,
        first: int = 20,
    ) -> list[PickupOffer] | None:
        """The stores of a channel, or of a cart's, that hand out: the nearest first, else as it prefers them.

        Each with what it has of the lines, or of what is in the cart. At most 50.
        """
        found = await pickup_places.offers(
            info.context.service,
            channel,
            [(line.sku, line.quantity) for line in lines or ()],
            cart_token,
            near.to_domain() if near else None,
            first,
        )
        return [PickupOffer.of(offer) for offer in found]


@strawberry.type
class PickupsMutation:
    """Mutations of click and collect."""

    @mutation(CartPayload, TOKEN)
    async def cart_pickup_select(
        self,
        info: Info,
        input: CartPickupSelectInput,  # noqa: A002
    ) -> CartPayload | None:
        """Let a cart be collected at a store, which keeps all of it from now on."""
        cart = await pickup_places.select(
            info.context.service, input.cart_token, input.location_code, input.contact_name
        )
        return CartPayload(cart=Cart.of(cart))

    @mutation(FulfillmentOrderPickupPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_ready(
        self,
        info: Info,
        input: FulfillmentOrderReadyInput,  # noqa: A002
    ) -> FulfillmentOrderPickupPayload | None:
        """Say that all of a fulfillment order waits for its customer, who is told."""
        sent = await pickups.ready(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(sent)

    @mutation(FulfillmentOrderPickupPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_collected(
        self,
        info: Info,
        input: FulfillmentOrderCollectedInput,  # noqa: A002
    ) -> FulfillmentOrderPickupPayload | None:
        """Give what waits to its customer: it leaves the stock, and is paid for where it is then."""
        sent = await pickups.collected(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.code,
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(sent)

    @mutation(FulfillmentOrderPickupPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_not_collected(
        self,
        info: Info,
        input: FulfillmentOrderNotCollectedInput,  # noqa: A002
    ) -> FulfillmentOrderPickupPayload | None:
        """Give up waiting for a customer: the order is canceled, its stock back on sale."""
        sent = await pickups.not_collected(
            info.context.service,
            decode_id("FulfillmentOrder", input.id, "id"),
            input.reason,
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(sent)


def _payload(sent: Sent) -> FulfillmentOrderPickupPayload:
    return FulfillmentOrderPickupPayload(
        fulfillment_order=FulfillmentOrder.of(sent.parts[0]), order=Order.of(sent.order)
    )
