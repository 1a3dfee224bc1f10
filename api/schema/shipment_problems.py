"""GraphQL types of parcels that need a person, and of what staff tell of parcels themselves."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.schema.orders import Order
from api.schema.shipments import Shipment
from api.schema.tracking import ShipmentProblemKind, ShipmentStatus
from services.tracking_views import ShipmentInTrouble

OLDEST = "SHIPMENT_PROBLEMS_OLDEST"
"""The one order of the list, named in its cursors."""
KEY = (datetime, UUID)
"""What a cursor holds: when the parcel was packed, and its id."""


@strawberry.type
class ShipmentProblem:
    """A parcel that needs a person, and why."""

    shipment: Shipment
    order: Order
    problems: list[ShipmentProblemKind]  # type: ignore[valid-type]


@strawberry.type
class ShipmentProblemEdge:
    """A parcel and where it stands in the list."""

    cursor: str
    node: ShipmentProblem


@strawberry.type
class ShipmentProblemConnection:
    """A page of parcels that need a person."""

    edges: list[ShipmentProblemEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[ShipmentInTrouble], request: PageRequest) -> "ShipmentProblemConnection":
        """Return the page; a parcel beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: ShipmentProblemEdge(
                cursor=cursor(OLDEST, one.packed_at, one.shipment.id),
                node=ShipmentProblem(
                    shipment=Shipment.of(one.shipment), order=Order.of(one.order), problems=list(one.problems)
                ),
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input(description="For couriers that do not tell by themselves; occurredAt is now if left out.")
class ShipmentTrackingEventAddInput:
    """What staff know of a parcel."""

    id: strawberry.ID
    status: ShipmentStatus  # type: ignore[valid-type]
    idempotency_key: str
    occurred_at: datetime | None = None
    place: str | None = None
    description: str | None = None
    estimated_at: datetime | None = None


@strawberry.input
class ShipmentTokenRotateInput:
    """A parcel that is to have another tracking token."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.type
class ShipmentTokenPayload:
    """A parcel with its new token, or why it has the one of before."""

    shipment: Shipment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ShipmentTrackingEventPayload:
    """A parcel as it now is, or why nothing was changed."""

    shipment: Shipment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
