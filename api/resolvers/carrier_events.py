"""Root fields of what carriers told and was set aside."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.carrier_events import (
    KEY,
    OLDEST,
    CarrierEvent,
    CarrierEventConnection,
    CarrierEventDismissInput,
    CarrierEventPayload,
    CarrierEventReason,
    CarrierEventRetryInput,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import carrier_events
from services.access import Permission
from services.carrier_events import Judged


@strawberry.type
class CarrierEventsQuery:
    """Queries of carriers' events."""

    @query(Permission.FULFILLMENT_READ)
    async def carrier_events_set_aside(
        self,
        info: Info,
        reason: CarrierEventReason | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> CarrierEventConnection | None:
        """What carriers told and could not be applied, the first received first: it waits for a person."""
        request = page_request(OLDEST, KEY, first, after)
        found = await carrier_events.page(info.context.service, reason, request.size, request.after)
        return CarrierEventConnection.of(found, request)


@strawberry.type
class CarrierEventsMutation:
    """Mutations of carriers' events."""

    @mutation(CarrierEventPayload, Permission.FULFILLMENT_WRITE)
    async def carrier_event_retry(
        self,
        info: Info,
        input: CarrierEventRetryInput,  # noqa: A002
    ) -> CarrierEventPayload | None:
        """Apply what was set aside, to the parcel that is named or the one that has its number now."""
        wanted = None if input.shipment_id is None else decode_id("Shipment", input.shipment_id, "shipmentId")
        judged = await carrier_events.retry(
            info.context.service, decode_id("CarrierEvent", input.id, "id"), wanted, input.idempotency_key
        )
        return CarrierEventPayload(carrier_event=CarrierEvent.of(judged))

    @mutation(CarrierEventPayload, Permission.FULFILLMENT_WRITE)
    async def carrier_event_dismiss(
        self,
        info: Info,
        input: CarrierEventDismissInput,  # noqa: A002
    ) -> CarrierEventPayload | None:
        """Take what was set aside off the list, saying why; no parcel changes."""
        event = await carrier_events.dismiss(
            info.context.service,
            decode_id("CarrierEvent", input.id, "id"),
            input.note,
            input.idempotency_key,
        )
        return CarrierEventPayload(carrier_event=CarrierEvent.of(Judged(event)))
