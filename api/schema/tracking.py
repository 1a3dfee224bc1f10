"""GraphQL types of tracking: what was told of a parcel."""

from datetime import datetime

import strawberry

from domain import shipments, tracking

ShipmentStatus = strawberry.enum(shipments.ShipmentStatus, description="Where a parcel is.")
ShipmentProblemKind = strawberry.enum(
    tracking.Problem,
    name="ShipmentProblemKind",
    description="Why a parcel needs a person. LATE: its promise is broken; "
    "SILENT: nothing was told for five days.",
)


@strawberry.type(description="Something that was told of a parcel; occurredAt is the teller's own clock.")
class TrackingEvent:
    """An event of a parcel's history."""

    status: ShipmentStatus  # type: ignore[valid-type]
    occurred_at: datetime
    code: str | None = strawberry.field(description="The carrier's own word.")
    description: str | None
    place: str | None
    estimated_at: datetime | None

    @classmethod
    def of(cls, fact: tracking.TrackingFact) -> "TrackingEvent":
        """Return the GraphQL form of what was told."""
        return cls(
            status=fact.status,
            occurred_at=fact.occurred_at,
            code=fact.code,
            description=fact.description,
            place=fact.place,
            estimated_at=fact.estimated_at,
        )
