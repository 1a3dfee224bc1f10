"""What narrows a list of fulfillment orders."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.fulfillment import FulfillmentOrder, FulfillmentOrderStatus, FulfillmentWork, HoldKind


@dataclass(frozen=True, slots=True)
class FulfillmentFilter:
    """All of it has to be true of a fulfillment order; None asks for nothing."""

    location_id: UUID | None = None
    statuses: tuple[FulfillmentOrderStatus, ...] | None = None
    works: tuple[FulfillmentWork, ...] | None = None
    holds: tuple[HoldKind, ...] | None = None
    """Has a hold of one of these kinds."""
    created_from: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A fulfillment order in a list, and since when it is to be sent."""

    part: FulfillmentOrder
    created_at: datetime
