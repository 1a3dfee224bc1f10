"""What a shopper may know of stock: units on sale in a channel, never their split over locations."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Availability:
    """Units of one variant that a channel can sell, over all its locations, as read at `as_of`."""

    variant_id: UUID
    sku: str
    channel: str
    available: int
    as_of: datetime
