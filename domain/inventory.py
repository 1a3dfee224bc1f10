"""Stock: its states, the movements between them, and the holds of carts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.quantities import MAX_QUANTITY
from domain.locations import Location

MAX_ON_HAND = 1_000_000_000
"""Most units of one variant that one location can hold: far above any warehouse, below int4."""


class StockState(StrEnum):
    """Where a unit is. The last five lie outside our locations."""

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
    TRANSFER = "transfer"
    """On its way between two of our locations, and incoming at one of them."""


OUTSIDE = frozenset(
    {
        StockState.SUPPLIER,
        StockState.CUSTOMER,
        StockState.ADJUSTMENT,
        StockState.SCRAP,
        StockState.TRANSFER,
    }
)
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
    """How long stock is held for a cart: renewed by each mutation, up to a maximum in all.

    The maximum counts from when the cart began to hold the variant, and begins anew after it held
    none of it for `seconds`. None is no maximum.
    """

    seconds: int
    max_seconds: int | None

    @property
    def longest(self) -> timedelta | None:
        """The maximum in all."""
        return None if self.max_seconds is None else timedelta(seconds=self.max_seconds)

    def for_payment(self) -> "HoldPolicy":
        """Return the policy while a payment is asked for: nobody pays for what is not held."""
        return replace(self, max_seconds=None)

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
    location: Location
    on_hand: int
    available: int
    held: int
    committed: int
    safety_stock: int
    quality_control: int
    damaged: int
    incoming: int

    def to_json(self) -> dict[str, Any]:
        """Return the level as JSON facts."""
        address = self.location.address
        facts = asdict(replace(self, location=replace(self.location, address=None)))
        facts["location"]["address"] = address.to_json() if address else None
        return facts

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "StockLevel":
        """Return the level that `to_json` wrote."""
        place = dict(facts["location"])
        place["id"] = UUID(place["id"])
        place["address"] = Address.from_json(place["address"]) if place["address"] else None
        ids = {"id": UUID(facts["id"]), "variant_id": UUID(facts["variant_id"])}
        return cls(**{**facts, **ids, "location": Location(**place)})


MOVES: Mapping[tuple[StockState, StockState], str] = {
    (StockState.AVAILABLE, StockState.DAMAGED): "DAMAGED",
    (StockState.AVAILABLE, StockState.QUALITY_CONTROL): "QUARANTINED",
    (StockState.AVAILABLE, StockState.SAFETY_STOCK): "BUFFERED",
    (StockState.SAFETY_STOCK, StockState.AVAILABLE): "UNBUFFERED",
    (StockState.SAFETY_STOCK, StockState.DAMAGED): "DAMAGED",
    (StockState.QUALITY_CONTROL, StockState.AVAILABLE): "PASSED",
    (StockState.QUALITY_CONTROL, StockState.DAMAGED): "FAILED",
    (StockState.DAMAGED, StockState.AVAILABLE): "REPAIRED",
    (StockState.DAMAGED, StockState.QUALITY_CONTROL): "QUARANTINED",
    (StockState.DAMAGED, StockState.SCRAP): "SCRAPPED",
}
"""The moves a person may make between states, and the reason the ledger gives.

Held and committed units belong to a cart or an order: only those move them.
"""


def move_reason(source: StockState, target: StockState) -> str:
    """Return the ledger's reason for a move by hand; raises IllegalTransition when there is none."""
    reason = MOVES.get((source, target))
    if reason is None:
        allowed = [to.name for from_, to in MOVES if from_ is source]
        raise IllegalTransition(
            f"units do not go from {source.name} to {target.name} by hand", source.name, allowed, "to"
        )
    return reason


def check_delta(delta: int) -> int:
    """Return a change of a count; raises InvalidInput when it is 0 or absurd."""
    if delta == 0:
        raise InvalidInput("must not be 0", "delta")
    if abs(delta) > MAX_QUANTITY:
        raise InvalidInput(f"must be between -{MAX_QUANTITY} and {MAX_QUANTITY}", "delta")
    return delta


def adjustment(delta: int) -> tuple[StockState, StockState]:
    """Return from where to where the units of a changed count go."""
    if delta > 0:
        return StockState.ADJUSTMENT, StockState.AVAILABLE
    return StockState.AVAILABLE, StockState.ADJUSTMENT
