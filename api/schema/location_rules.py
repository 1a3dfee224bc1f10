"""GraphQL types of what locations can do."""

from collections.abc import Sequence
from datetime import date, time

import strawberry

from domain import location_rules as domain
from domain import locations
from domain.opening_hours import OpenSpan

LocationKind = strawberry.enum(locations.LocationKind, description="What sort of place it is.")


@strawberry.type
class Coordinates:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@strawberry.type
class LocationClosure:
    """A day on which a location is closed, besides those of its week and its holidays."""

    day: date
    reason: str | None


@strawberry.type(description="Local times; weekday 1 is Monday, 7 is Sunday.")
class OpeningHours:
    """When a store is open on a day of the week."""

    weekday: int
    opens: time
    closes: time

    @classmethod
    def all_of(cls, spans: Sequence[OpenSpan]) -> "list[OpeningHours]":
        """Return the GraphQL form of opening hours."""
        return [cls(weekday=one.weekday, opens=one.opens, closes=one.closes) for one in spans]


@strawberry.type
class LocationRules:
    """What a location can do."""

    kind: LocationKind  # type: ignore[valid-type]
    coordinates: Coordinates | None
    time_zone: str = strawberry.field(description="IANA name, such as Europe/Berlin.")
    working_days: list[int] = strawberry.field(description="1 is Monday, 7 is Sunday.")
    holidays: str | None = strawberry.field(
        description="Country (DE) or part of one (DE-BY) whose public holidays it observes; null: none."
    )
    cut_off: time | None = strawberry.field(
        description="What is ordered then or later, local time, leaves a working day later; null: no cut-off."
    )
    daily_capacity: int | None = strawberry.field(
        description="Most fulfillment orders a day; null: any number."
    )
    ships: bool
    pickup: bool
    tags: list[str] = strawberry.field(
        description="Kinds of goods it may handle: those of a variant must all be among them."
    )
    closures: list[LocationClosure]
    opening_hours: list[OpeningHours] = strawberry.field(
        description="When it hands out what is collected; empty: on its working days."
    )

    @classmethod
    def of(cls, rules: domain.LocationRules) -> "LocationRules":
        """Return the GraphQL form of rules."""
        point = None
        if rules.latitude is not None and rules.longitude is not None:
            point = Coordinates(latitude=rules.latitude, longitude=rules.longitude)
        return cls(
            kind=rules.kind,
            coordinates=point,
            time_zone=rules.time_zone,
            working_days=sorted(rules.working_days),
            holidays=rules.holidays,
            cut_off=rules.cut_off,
            daily_capacity=rules.daily_capacity,
            ships=rules.ships,
            pickup=rules.pickup,
            tags=sorted(rules.tags),
            closures=[LocationClosure(day=one.day, reason=one.reason) for one in rules.closures],
            opening_hours=OpeningHours.all_of(rules.opening_hours),
        )
