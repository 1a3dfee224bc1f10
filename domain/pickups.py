"""Click and collect: where a cart is collected, what waits there, and by which code it is given out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.addresses import Address
from domain.calendars import WorkCalendar
from domain.delivery_promises import Promise
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.kernel.quantities import MAX_QUANTITY, is_storable, require_text
from domain.opening_hours import OpenSpan, ready
from domain.shipping import DeliveryRate

CARRIER = "Pickup"
"""What stands for the carrier of what is collected."""

FEW = 5
"""From so many units on a store is said to have enough of something."""

MAX_CONTACT_LENGTH = 200
MAX_PLACES = 50
"""Most stores that are listed at once."""

MAX_SKUS = 100
"""Most SKUs that may be asked about without a cart."""


@dataclass(frozen=True, slots=True)
class PickupPlace:
    """A location that hands out, as a cart sees it that is collected there.

    `contact` is who collects: as they said, or as the addresses of the cart say; None: nobody knows yet.
    """

    location_id: UUID
    code: str
    name: str
    address: Address
    calendar: WorkCalendar
    contact: str | None = None
    fee: Money | None = None
    """What collecting costs there; None: nothing."""
    hours: tuple[OpenSpan, ...] = ()
    """When it hands out; empty: on its working days."""

    @property
    def destination(self) -> Address | None:
        """The address that an order collected there has: the place's, in the name of who collects it."""
        # A company's name there would make a business customer of whoever collects.
        return replace(self.address, name=self.contact, company=None) if self.contact else None

    @property
    def goes_to(self) -> Address:
        """The address it is taxed at, whoever collects it."""
        return self.destination or self.address

    @property
    def rate(self) -> DeliveryRate:
        """What an order keeps of the way it is delivered."""
        return DeliveryRate(self.location_id, CARRIER, self.name, self.fee.amount_minor if self.fee else 0)

    def ready(self, now: datetime) -> Promise:
        """Return when what is ordered `now` can be collected."""
        return ready(self.calendar, self.hours, now)


class PickupAvailability(StrEnum):
    """How much of something a store has."""

    IN_STOCK = "IN_STOCK"
    LOW = "LOW"
    OUT = "OUT"


@dataclass(frozen=True, slots=True)
class PickupItem:
    """Units of one SKU that are wanted, and how many a store could give out (to a cart: its own held too)."""

    sku: str
    quantity: int
    available: int

    @property
    def availability(self) -> PickupAvailability:
        """What a shopper is told."""
        if self.available <= 0:
            return PickupAvailability.OUT
        return PickupAvailability.LOW if self.available < FEW else PickupAvailability.IN_STOCK

    @property
    def is_enough(self) -> bool:
        """Whether all that is wanted is there."""
        return self.available >= self.quantity


@dataclass(frozen=True, slots=True)
class PickupOffer:
    """A store that hands out, what it has of what is wanted, and how far it is (metres, None: unknown)."""

    place: PickupPlace
    items: tuple[PickupItem, ...]
    distance_meters: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all that is wanted can be collected there."""
        return all(item.is_enough for item in self.items)


@dataclass(frozen=True, slots=True)
class Near:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


def check_contact(contact: str | None) -> str | None:
    """Return who collects; raises InvalidInput naming contactName."""
    return None if contact is None else require_text(contact, MAX_CONTACT_LENGTH, "contactName")


def check_near(near: Near | None) -> Near | None:
    """Return a point that is on the earth; raises InvalidInput naming its field."""
    if near is None:
        return None
    for name, value, most in (("latitude", near.latitude, 90), ("longitude", near.longitude, 180)):
        if not (math.isfinite(value) and -most <= value <= most):
            raise InvalidInput(f"must be between -{most} and {most} degrees", "near", name)
    return near


def check_wanted(wanted: Sequence[tuple[str, int]]) -> None:
    """Raise InvalidInput for more (SKU, quantity) than may be asked about, one named twice, or no units."""
    if len(wanted) > MAX_SKUS:
        raise InvalidInput(f"names more than {MAX_SKUS}", "lines")
    if len({sku for sku, _ in wanted}) < len(wanted):
        raise InvalidInput("names a SKU twice", "lines")
    for at, (sku, quantity) in enumerate(wanted):
        if not 1 <= quantity <= MAX_QUANTITY:
            raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", "lines", str(at), "quantity")
        if not is_storable(sku):
            raise InvalidInput("cannot be a SKU", "lines", str(at), "sku")
