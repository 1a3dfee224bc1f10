"""Subscriptions to parcels."""

from collections.abc import AsyncGenerator

import strawberry

from api.context import Info
from api.resolvers.root_fields import TOKEN, subscription
from api.scalars import decode_id
from api.schema.orders import OrderRef
from api.schema.shipments import ShipmentEvent
from api.sharing import Scope
from domain.shipments import shipment_told
from realtime.events import FeedEvent
from realtime.patience import patiently
from services import orders, shipments


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
