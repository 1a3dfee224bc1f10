"""Root fields of holds of fulfillment orders."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.fulfillment import FulfillmentOrder
from api.schema.order_holds import (
    FulfillmentOrderHoldAddInput,
    FulfillmentOrderHoldPayload,
    FulfillmentOrderHoldReleaseInput,
)
from api.schema.orders import Order
from services import order_holds
from services.access import Permission


@strawberry.type
class OrderHoldsMutation:
    """Mutations of holds."""

    @mutation(FulfillmentOrderHoldPayload, Permission.ORDERS_WRITE)
    async def fulfillment_order_hold_add(
        self,
        info: Info,
        input: FulfillmentOrderHoldAddInput,  # noqa: A002
    ) -> FulfillmentOrderHoldPayload | None:
        """Keep a fulfillment order from being worked on."""
        order, part = await order_holds.add(
            info.context.service,
            decode_id("FulfillmentOrder", input.fulfillment_order_id, "fulfillmentOrderId"),
            input.kind,
            input.note,
            input.expected_version,
            input.idempotency_key,
        )
        return FulfillmentOrderHoldPayload(fulfillment_order=FulfillmentOrder.of(part), order=Order.of(order))

    @mutation(FulfillmentOrderHoldPayload, Permission.ORDERS_WRITE)
    async def fulfillment_order_hold_release(
        self,
        info: Info,
        input: FulfillmentOrderHoldReleaseInput,  # noqa: A002
    ) -> FulfillmentOrderHoldPayload | None:
        """End a hold; what nothing else keeps is OPEN again."""
        order, part = await order_holds.release(
            info.context.service,
            decode_id("FulfillmentOrderHold", input.id, "id"),
            input.note,
            input.expected_version,
            input.idempotency_key,
        )
        return FulfillmentOrderHoldPayload(fulfillment_order=FulfillmentOrder.of(part), order=Order.of(order))
