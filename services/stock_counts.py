"""Booking what was counted at many places at once, whoever has to do without what is missing."""

from collections.abc import Mapping

from domain.inventory import AdjustReason, Movement, StockState
from domain.kernel.ids import new_id
from persistence import inventory
from persistence.database import attempt
from persistence.stock_losses import Place
from services import stock_losses
from services.context import Transaction
from services.stock_losses import OthersToo, Owners

MOST_TRIES = 20


async def book(transaction: Transaction, counts: Mapping[Place, int], source_kind: str) -> int:
    """Book the differences between units counted and units on hand; returns how many levels changed.

    What is missing goes as it does by stockAdjust: free units first, then the newest holds, then the
    newest orders. Statements do not grow with the counts, but for each order that lacks units then.
    """
    owners = Owners()
    for _ in range(MOST_TRIES):
        try:
            # Carts and orders are locked before levels, but only locked levels tell which carts and
            # orders: what the last try found is locked first, until nobody else is concerned.
            async with attempt(transaction.connection):
                return await _book(transaction, counts, source_kind, owners)
        except OthersToo as error:
            owners = error.owners
    raise RuntimeError("the holds of counted levels changed too often to book what is missing")


async def _book(
    transaction: Transaction, counts: Mapping[Place, int], source_kind: str, owners: Owners
) -> int:
    locked = await stock_losses.lock(transaction, owners)
    variant_ids = list({place.variant_id for place in counts})
    location_ids = list({place.location_id for place in counts})
    found = await inventory.lock_levels(transaction.connection, variant_ids, location_ids)
    levels = {Place(level.variant_id, level.location.id): level for level in found}
    gone = [
        (level, level.on_hand - counts[place])
        for place, level in levels.items()
        if place in counts and counts[place] < level.on_hand
    ]
    losses = await stock_losses.plan(transaction, gone, owners)
    gains = [
        _gain(place, more)
        for place, units in counts.items()
        if (more := units - (levels[place].on_hand if place in levels else 0)) > 0
    ]
    reason = AdjustReason.COUNTED.value
    movements = [
        *gains,
        *(move for one in losses for move in one.movements(StockState.ADJUSTMENT, reason)),
    ]
    await stock_losses.move_locked(transaction, movements, source_kind, new_id())
    await stock_losses.tell(transaction, losses, locked)
    return len(gains) + len(losses)


def _gain(place: Place, units: int) -> Movement:
    return Movement(
        place.variant_id,
        place.location_id,
        StockState.ADJUSTMENT,
        StockState.AVAILABLE,
        units,
        AdjustReason.COUNTED.value,
    )
