"""GraphQL types of the stores that hand out what was ordered."""

from datetime import date, datetime, time

import strawberry

from api.context import Info
from api.schema.location_rules import OpeningHours
from api.schema.values import Address, Money
from domain import pickups as domain

PickupAvailability = strawberry.enum(
    domain.PickupAvailability, description="How much of something a store has; LOW is fewer than five."
)


@strawberry.input
class PickupLineInput:
    """Units that somebody wants to collect."""

    sku: str
    quantity: int = 1


@strawberry.input
class NearInput:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float

    def to_domain(self) -> domain.Near:
        """Return the point, still to be checked."""
        return domain.Near(self.latitude, self.longitude)


@strawberry.type
class PickupItem:
    """Units of one SKU that are wanted, and what the store has of it."""

    sku: str
    quantity: int
    available: int = strawberry.field(
        description="Units that can be collected here, those held for the cart too."
    )
    availability: PickupAvailability  # type: ignore[valid-type]
    is_enough: bool = strawberry.field(description="Whether all that is wanted is here.")

    @classmethod
    def of(cls, item: domain.PickupItem) -> "PickupItem":
        """Return the GraphQL form of an item."""
        return cls(
            sku=item.sku,
            quantity=item.quantity,
            available=max(0, item.available),
            availability=item.availability,
            is_enough=item.is_enough,
        )


@strawberry.type(description="Days are those of its own time zone, 1 is Monday.")
class PickupPlace:
    """A store that hands out what was ordered."""

    place: strawberry.Private[domain.PickupPlace]
    code: str
    name: str
    time_zone: str
    working_days: list[int]
    holidays: str | None = strawberry.field(description='Whose public holidays it keeps: "DE", or "DE-BY".')
    cut_off: time | None = strawberry.field(
        description="Until when, local time, what is ordered is ready the same day."
    )
    opening_hours: list[OpeningHours] = strawberry.field(
        description="When it hands out, but for public holidays and closed days; empty: on its working days."
    )
    closed_days: list[date] = strawberry.field(
        description="Days on which it is closed besides, from yesterday on."
    )
    fee: Money | None = strawberry.field(
        description="What collecting costs, taxed as delivery is; null: nothing."
    )

    @classmethod
    def of(cls, place: domain.PickupPlace) -> "PickupPlace":
        """Return the GraphQL form of a place."""
        calendar = place.calendar
        return cls(
            place=place,
            code=place.code,
            name=place.name,
            time_zone=calendar.time_zone,
            working_days=sorted(calendar.working_days),
            holidays=calendar.holidays,
            cut_off=calendar.cut_off,
            opening_hours=OpeningHours.all_of(place.hours),
            closed_days=sorted(calendar.closures),
            fee=Money.of(place.fee) if place.fee else None,
        )

    @strawberry.field
    def address(self) -> Address:
        """Where it is."""
        return Address.of(self.place.address)

    @strawberry.field
    def ready_from(self, info: Info) -> datetime | None:
        """From when what is ordered now can be collected, at the earliest; null: it is closed for long."""
        return self.place.ready(info.context.service.now()).earliest

    @strawberry.field
    def ready_until(self, info: Info) -> datetime | None:
        """By when what is ordered now can be collected, at the latest."""
        return self.place.ready(info.context.service.now()).latest


@strawberry.type
class PickupOffer:
    """A store, and what it has of what is wanted."""

    place: PickupPlace
    distance_meters: int | None = strawberry.field(
        description="How far it is as the crow flies; null where nobody said from where, or where it is."
    )
    items: list[PickupItem]
    is_complete: bool = strawberry.field(description="Whether all that is wanted can be collected here.")

    @classmethod
    def of(cls, offer: domain.PickupOffer) -> "PickupOffer":
        """Return the GraphQL form of an offer."""
        return cls(
            place=PickupPlace.of(offer.place),
            distance_meters=offer.distance_meters,
            items=[PickupItem.of(item) for item in offer.items],
            is_complete=offer.is_complete,
        )
