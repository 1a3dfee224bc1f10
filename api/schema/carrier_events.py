"""GraphQL types of what carriers told and was set aside."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.shipments import Shipment
from api.schema.tracking import ShipmentStatus
from domain import carrier_events, tracking
from services import carrier_events as service

OLDEST = "CARRIER_EVENTS_OLDEST"
"""The one order of the list, named in its cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the event was received, and its id."""

CarrierEventState = strawberry.enum(
    tracking.FactState,
    name="CarrierEventState",
    description="What became of something that a carrier told. RECEIVED: it is still tried; "
    "SET_ASIDE: it waits for a person.",
)
CarrierEventReason = strawberry.enum(
    carrier_events.SetAsideReason,
    name="CarrierEventReason",
    description="Why it waits for a person. DOES_NOT_FIT: the parcel could not have moved, as when its order "
    "is on hold; FAILED: applying it failed again and again.",
)


@strawberry.type(
    description="Something that a carrier told, and what became of it. reference is the carrier's name of "
    "the parcel, eventId of the event; error says more of the reason."
)
class CarrierEvent:
    """One event as a carrier told it."""

    id: strawberry.ID
    provider: str
    event_id: str
    tracking_number: str | None
    reference: str | None
    status: ShipmentStatus  # type: ignore[valid-type]
    code: str | None
    description: str | None
    place: str | None
    occurred_at: datetime
    received_at: datetime
    state: CarrierEventState  # type: ignore[valid-type]
    reason: CarrierEventReason | None  # type: ignore[valid-type]
    error: str | None
    shipment: Shipment | None = strawberry.field(description="The parcel that it is of, where one is known.")
    note: str | None
    dismissed_at: datetime | None

    @classmethod
    def of(cls, judged: service.Judged) -> "CarrierEvent":
        """Return the GraphQL form of an event and its parcel."""
        event = judged.event
        return cls(
            id=encode_id("CarrierEvent", event.id),
            provider=event.provider,
            event_id=event.event_id,
            tracking_number=event.tracking_number,
            reference=event.reference,
            status=event.status,
            code=event.code,
            description=event.description,
            place=event.place,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            state=event.state,
            reason=event.reason,
            error=event.error,
            shipment=Shipment.of(judged.shipment) if judged.shipment else None,
            note=event.note,
            dismissed_at=event.dismissed_at,
        )


@strawberry.type
class CarrierEventEdge:
    """An event and where it stands in the list."""

    cursor: str
    node: CarrierEvent


@strawberry.type
class CarrierEventCount:
    """How many wait for a person, for one reason."""

    reason: CarrierEventReason  # type: ignore[valid-type]
    count: int


@strawberry.type
class CarrierEventConnection:
    """A page of what was set aside."""

    edges: list[CarrierEventEdge]
    page_info: PageInfo

    @strawberry.field(description="How many are set aside in all, by reason; zeros too.")  # type: ignore[untyped-decorator]
    async def counts(self, info: Info) -> list[CarrierEventCount]:
        """Return the counts, read only where they are asked for."""
        found = await service.count(info.context.service)
        return [CarrierEventCount(reason=one, count=events) for one, events in found.items()]

    @classmethod
    def of(cls, found: Sequence[service.Judged], request: PageRequest) -> "CarrierEventConnection":
        """Return the page; an event beyond its size only tells that there are more."""
        edges = [
            CarrierEventEdge(
                cursor=cursor(OLDEST, one.event.received_at, one.event.id), node=CarrierEvent.of(one)
            )
            for one in found[: request.size]
        ]
        info = PageInfo.of(
            [edge.cursor for edge in edges],
            has_next=len(found) > request.size,
            resumed=request.after is not None,
        )
        return cls(edges=edges, page_info=info)


@strawberry.input(
    description="Without shipmentId it is applied to the parcel that has its number now. All that was told "
    "of one number is taken up by itself once a parcel has it: see shipmentTrackingUpdate."
)
class CarrierEventRetryInput:
    """An event to apply, and to which parcel."""

    id: strawberry.ID
    idempotency_key: str
    shipment_id: strawberry.ID | None = None


@strawberry.input
class CarrierEventDismissInput:
    """An event of which nothing is to come, and why."""

    id: strawberry.ID
    note: str
    idempotency_key: str


@strawberry.type
class CarrierEventPayload:
    """An event as it now is, or why it is as it was."""

    carrier_event: CarrierEvent | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
