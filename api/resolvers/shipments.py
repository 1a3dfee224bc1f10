"""Root fields of parcels."""

from collections.abc import AsyncGenerator

import strawberry

from api.context import Info
from api.errors import user_errors
from api.resolvers.root_fields import TOKEN, mutation, subscription
from api.scalars import decode_id, encode_id
from api.schema.fulfillment import FulfillmentOrder
from api.schema.orders import Order, OrderRef
from api.schema.shipments import (
    FulfillmentOrderFulfillInput,
    Shipment,
    ShipmentCancelInput,
    ShipmentCreateInput,
    ShipmentCreatePayload,
    ShipmentEvent,
    ShipmentHandOverInput,
    ShipmentHandOverResult,
    ShipmentPayload,
    ShipmentsHandOverInput,
    ShipmentsHandOverPayload,
    ShipmentTrackingUpdateInput,
)
from api.sharing import Scope
from domain.parcels import Carriage
from domain.shipments import shipment_told
from realtime.events import FeedEvent
from realtime.patience import patiently
from services import orders, shipment_changes, shipments
from services.access import Permission
from services.shipment_changes import Fulfillment, Outcome, Sent


@strawberry.type
class ShipmentsSubscription:
    """Subscriptions to parcels."""

    @subscription(TOKEN, Scope.PERMISSIONS)
    async def shipment_updated(
        self,
        info: Info,
        ref: OrderRef,
        id: strawberry.ID | None = None,  # noqa: A002
        after: str | None = None,
    ) -> AsyncGenerator[ShipmentEvent]:
        """The parcels of one order, or the one with this id, for whoever holds its token or may see it."""
        service, named = info.context.service, ref.to_domain("ref")
        wanted = None if id is None else decode_id("Shipment", id, "id")
        order = await shipments.followed(service, named, wanted)

        def tells(event: FeedEvent) -> bool:
            told = shipment_told(event.payload)
            return told is not None and wanted in {None, told}

        async with info.context.events(after, aggregate="order", aggregate_id=order.id, only=tells) as events:
            async for event in events:
                # The token may have been revoked since.
                await patiently(lambda: orders.get(service, named))
                yield ShipmentEvent.of(event)


@strawberry.type
class ShipmentsMutation:
    """Mutations of parcels."""

    @mutation(ShipmentPayload, Permission.FULFILLMENT_WRITE)
    async def fulfillment_order_fulfill(
        self,
        info: Info,
        input: FulfillmentOrderFulfillInput,  # noqa: A002
    ) -> ShipmentPayload | None:
        """Pack units of a fulfillment order and hand them over, at once."""
        wanted = Fulfillment(
            decode_id("FulfillmentOrder", input.id, "id"),
            input.to_units(),
            input.to_parcel(),
            Carriage(input.carrier, input.service),
            input.notify_customer,
        )
        sent = await shipment_changes.fulfill(
            info.context.service, wanted, input.expected_version, input.idempotency_key
        )
        return _payload(sent)

    @mutation(ShipmentCreatePayload, Permission.FULFILLMENT_WRITE)
    async def shipment_create(
        self,
        info: Info,
        input: ShipmentCreateInput,  # noqa: A002
    ) -> ShipmentCreatePayload | None:
        """Pack units of a fulfillment order into parcels."""
        sent = await shipment_changes.create(
            info.context.service,
            decode_id("FulfillmentOrder", input.fulfillment_order_id, "fulfillmentOrderId"),
            input.to_parcels(),
            input.to_carriage(),
            input.expected_version,
            input.idempotency_key,
        )
        return ShipmentCreatePayload(
            shipments=[Shipment.of(one) for one in sent.shipments],
            fulfillment_order=FulfillmentOrder.of(sent.parts[0]) if sent.parts else None,
            order=Order.of(sent.order),
        )

    @mutation(ShipmentPayload, Permission.FULFILLMENT_WRITE)
    async def shipment_hand_over(
        self,
        info: Info,
        input: ShipmentHandOverInput,  # noqa: A002
    ) -> ShipmentPayload | None:
        """Let a parcel leave: its units are the customer's, and are paid for where the channel says so."""
        sent = await shipment_changes.hand_over(
            info.context.service,
            decode_id("Shipment", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
            notify=input.notify_customer,
        )
        return _payload(sent)

    @mutation(ShipmentsHandOverPayload, Permission.FULFILLMENT_WRITE)
    async def shipments_hand_over(
        self,
        info: Info,
        input: ShipmentsHandOverInput,  # noqa: A002
    ) -> ShipmentsHandOverPayload | None:
        """Let many parcels leave; of each it is told whether it has."""
        ids = [decode_id("Shipment", one, "ids", str(at)) for at, one in enumerate(input.ids)]
        outcomes = await shipment_changes.hand_over_many(info.context.service, ids, input.idempotency_key)
        return ShipmentsHandOverPayload(results=[_result(one) for one in outcomes])

    @mutation(ShipmentPayload, Permission.FULFILLMENT_WRITE)
    async def shipment_cancel(
        self,
        info: Info,
        input: ShipmentCancelInput,  # noqa: A002
    ) -> ShipmentPayload | None:
        """Unpack a parcel that has not left: its units are open again."""
        sent = await shipment_changes.cancel(
            info.context.service,
            decode_id("Shipment", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
        )
        return _payload(sent)

    @mutation(ShipmentPayload, Permission.FULFILLMENT_WRITE)
    async def shipment_tracking_update(
        self,
        info: Info,
        input: ShipmentTrackingUpdateInput,  # noqa: A002
    ) -> ShipmentPayload | None:
        """Correct who brings a parcel, and by which number it is followed."""
        sent = await shipment_changes.update_tracking(
            info.context.service,
            decode_id("Shipment", input.id, "id"),
            input.to_changes(),
            input.expected_version,
        )
        return _payload(sent)


def _payload(sent: Sent) -> ShipmentPayload:
    return ShipmentPayload(
        shipment=Shipment.of(sent.shipments[0]) if sent.shipments else None,
        fulfillment_order=FulfillmentOrder.of(sent.parts[0]) if sent.parts else None,
        order=Order.of(sent.order),
    )


def _result(outcome: Outcome) -> ShipmentHandOverResult:
    return ShipmentHandOverResult(
        id=encode_id("Shipment", outcome.shipment_id),
        shipment=Shipment.of(outcome.shipment) if outcome.shipment else None,
        order=Order.of(outcome.order) if outcome.order else None,
        user_errors=user_errors(outcome.error) if outcome.error else [],
    )
