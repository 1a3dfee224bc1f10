"""Root fields of tracking."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import TOKEN, mutation, query
from api.scalars import decode_id
from api.schema.shipment_problems import (
    KEY,
    OLDEST,
    ShipmentProblemConnection,
    ShipmentTokenPayload,
    ShipmentTokenRotateInput,
    ShipmentTrackingEventAddInput,
    ShipmentTrackingEventPayload,
)
from api.schema.shipments import Shipment
from domain.carrier_ports import TrackingUpdate
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import tracking_views
from services.access import Permission


@strawberry.type
class TrackingQuery:
    """Queries of tracking."""

    @query(TOKEN)
    async def shipment(self, info: Info, tracking_token: str) -> Shipment | None:
        """One parcel, for whoever holds its token."""
        return Shipment.of(await tracking_views.by_token(info.context.service, tracking_token))

    @query(Permission.FULFILLMENT_READ)
    async def shipment_problems(
        self, info: Info, first: int | None = DEFAULT_PAGE_SIZE, after: str | None = None
    ) -> ShipmentProblemConnection | None:
        """Parcels that need a person, the oldest first: failed, going back, late, or silent for too long."""
        request = page_request(OLDEST, KEY, first, after)
        found = await tracking_views.trouble(info.context.service, request.size, request.after)
        return ShipmentProblemConnection.of(found, request)


@strawberry.type
class TrackingMutation:
    """Mutations of tracking."""

    @mutation(ShipmentTrackingEventPayload, Permission.FULFILLMENT_WRITE)
    async def shipment_tracking_event_add(
        self,
        info: Info,
        input: ShipmentTrackingEventAddInput,  # noqa: A002
    ) -> ShipmentTrackingEventPayload | None:
        """Record what staff know of a parcel on its way."""
        service = info.context.service
        told = TrackingUpdate(
            id="",
            status=input.status,
            occurred_at=input.occurred_at or service.now(),
            description=input.description,
            place=input.place,
            estimated_at=input.estimated_at,
        )
        shipment = await tracking_views.add_event(
            service, decode_id("Shipment", input.id, "id"), told, input.idempotency_key
        )
        return ShipmentTrackingEventPayload(shipment=Shipment.of(shipment))

    @mutation(ShipmentTokenPayload, Permission.FULFILLMENT_WRITE)
    async def shipment_token_rotate(
        self,
        info: Info,
        input: ShipmentTokenRotateInput,  # noqa: A002
    ) -> ShipmentTokenPayload | None:
        """Give a parcel another tracking token; what was handed out before shows and follows nothing more."""
        shipment = await tracking_views.rotate_token(
            info.context.service,
            decode_id("Shipment", input.id, "id"),
            input.expected_version,
            input.idempotency_key,
        )
        return ShipmentTokenPayload(shipment=Shipment.of(shipment))
