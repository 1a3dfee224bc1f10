"""GraphQL inputs and payloads of what locations can do, and of the tags of goods."""

from datetime import date, time

import strawberry

from api.errors import UserError
from api.schema.catalog import ProductVariant, VariantRef
from api.schema.location_rules import LocationKind
from api.schema.locations import Location
from api.schema.values import given
from domain import location_rules as domain
from domain.kernel.changes import KEEP
from domain.opening_hours import OpenSpan


@strawberry.input
class CoordinatesInput:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@strawberry.input
class LocationClosureInput:
    """A day on which a location is closed."""

    day: date
    reason: str | None = None


@strawberry.input
class OpeningHoursInput:
    """A time of the week at which a store is open; local times, weekday 1 is Monday."""

    weekday: int
    opens: time
    closes: time


@strawberry.input(description="What is left out stays as it is.")
class LocationRulesUpdateInput:
    """Changes of what a location can do."""

    id: strawberry.ID
    kind: strawberry.Maybe[LocationKind]  # type: ignore[valid-type]
    coordinates: strawberry.Maybe[CoordinatesInput | None]
    time_zone: strawberry.Maybe[str]
    working_days: strawberry.Maybe[list[int]]
    holidays: strawberry.Maybe[str | None]
    cut_off: strawberry.Maybe[time | None]
    daily_capacity: strawberry.Maybe[int | None]
    ships: strawberry.Maybe[bool]
    pickup: strawberry.Maybe[bool]
    tags: strawberry.Maybe[list[str]]
    closures: strawberry.Maybe[list[LocationClosureInput]] = strawberry.field(
        description="All of them: days that are not named are open again."
    )
    opening_hours: strawberry.Maybe[list[OpeningHoursInput]] = strawberry.field(
        description="All of them; empty: it hands out on its working days."
    )
    expected_version: int | None = None

    def to_changes(self) -> domain.LocationRulesChanges:
        """Return what shall change, still to be checked."""
        point, closures = given(self.coordinates), given(self.closures)
        if point is not KEEP and point is not None:
            point = domain.Coordinates(point.latitude, point.longitude)
        if closures is not KEEP:
            closures = [domain.Closure(one.day, one.reason) for one in closures]
        hours = given(self.opening_hours)
        if hours is not KEEP:
            hours = [OpenSpan(one.weekday, one.opens, one.closes) for one in hours]
        return domain.LocationRulesChanges(
            kind=given(self.kind),
            coordinates=point,
            time_zone=given(self.time_zone),
            working_days=given(self.working_days),
            holidays=given(self.holidays),
            cut_off=given(self.cut_off),
            daily_capacity=given(self.daily_capacity),
            ships=given(self.ships),
            pickup=given(self.pickup),
            tags=given(self.tags),
            closures=closures,
            opening_hours=hours,
        )


@strawberry.type
class LocationRulesPayload:
    """A location, or why there is none."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class VariantTagsSetInput:
    """Kinds of goods a variant is of: only locations that have all these tags may send it."""

    variant: VariantRef
    tags: list[str]
    expected_version: int | None = None


@strawberry.type
class VariantTagsPayload:
    """A variant and its tags, or why there is none."""

    variant: ProductVariant | None = None
    tags: list[str] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
