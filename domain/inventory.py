"""Stock: its states, the movements between them, and the holds of carts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class StockState(StrEnum):
    """Where a unit is. The last four lie outside our locations."""

    AVAILABLE = "available"
    HELD = "held"
    COMMITTED = "committed"
    SAFETY_STOCK = "safety_stock"
    QUALITY_CONTROL = "quality_control"
    DAMAGED = "damaged"
    INCOMING = "incoming"
    SUPPLIER = "supplier"
    CUSTOMER = "customer"
    ADJUSTMENT = "adjustment"
    SCRAP = "scrap"


OUTSIDE = frozenset({StockState.SUPPLIER, StockState.CUSTOMER, StockState.ADJUSTMENT, StockState.SCRAP})
"""States that are not counted at any location."""


class HoldStatus(StrEnum):
    """Life of a hold: HELD, then one of the ends."""

    HELD = "HELD"
    CONVERTED = "CONVERTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class AdjustReason(StrEnum):
    """Why a person changed a count."""

    RECEIVED = "RECEIVED"
    COUNTED = "COUNTED"
    FOUND = "FOUND"
    LOST = "LOST"
    CORRECTION = "CORRECTION"


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """How long stock is held for a cart: renewed by each mutation, up to a maximum in all."""

    seconds: int
    max_seconds: int

    def expiry(self, now: datetime) -> datetime:
        """Return when a hold renewed at `now` ends, before its maximum is applied."""
        return now + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Movement:
    """A quantity of one variant at one location to move from one state to another."""

    variant_id: UUID
    location_id: UUID
    from_state: StockState
    to_state: StockState
    quantity: int
    reason: str


@dataclass(frozen=True, slots=True)
class StockLevel:
    """Counts of one variant at one location, by state (units)."""

    id: UUID
    variant_id: UUID
    sku: str
    location_id: UUID
    on_hand: int
    available: int
    held: int
    committed: int
    safety_stock: int
    quality_control: int
    damaged: int
    incoming: int
