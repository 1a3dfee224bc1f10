"""Counted losses: units that are gone are gone, so what is decided is only who has to do without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.inventory import StockLevel, StockState
from domain.kernel.errors import InsufficientStock

HOLD_REASON = "INVENTORY_OUT_OF_STOCK"
"""Why a fulfillment order with units short is on hold."""


@dataclass(frozen=True, slots=True)
class HeldUnits:
    """Units of the level that a cart line holds."""

    hold_id: UUID
    cart_id: UUID
    line_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class PromisedUnits:
    """Units of the level that an order has committed and not shipped, by fulfillment order line."""

    line_id: UUID
    order_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Loss:
    """Who does without: units by the state they are taken from, and from which holds and promises."""

    taken: Mapping[StockState, int]
    released: tuple[tuple[HeldUnits, int], ...]
    broken: tuple[tuple[PromisedUnits, int], ...]


def plan(
    level: StockLevel, units: int, holds: Sequence[HeldUnits], promises: Sequence[PromisedUnits]
) -> Loss:
    """Decide who does without `units` of a level; holds and promises come newest first.

    Nobody as long as units are free (available, then the buffer, which is kept for this); then
    the newest holds, a shopper having been promised less than a buyer; then the newest orders;
    last units that could not be sold anyway. Raises InsufficientStock when fewer are on hand.
    """
    if units > level.on_hand:
        raise InsufficientStock(level.sku, units, level.on_hand, "delta")
    rest = units
    taken: dict[StockState, int] = {}

    def take(state: StockState, most: int) -> int:
        nonlocal rest
        part = min(rest, most)
        rest -= part
        if part:
            taken[state] = taken.get(state, 0) + part
        return part

    take(StockState.AVAILABLE, level.available)
    take(StockState.SAFETY_STOCK, level.safety_stock)
    released = [(hold, take(StockState.HELD, hold.quantity)) for hold in holds]
    broken = [(promise, take(StockState.COMMITTED, promise.quantity)) for promise in promises]
    take(StockState.QUALITY_CONTROL, level.quality_control)
    take(StockState.DAMAGED, level.damaged)
    # Committed without a fulfillment order: to whatever other feature committed it.
    take(StockState.COMMITTED, level.committed - taken.get(StockState.COMMITTED, 0))
    return Loss(
        taken,
        tuple((hold, part) for hold, part in released if part),
        tuple((promise, part) for promise, part in broken if part),
    )
