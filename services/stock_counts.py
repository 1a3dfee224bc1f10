"""Booking what was counted at many places at once, whoever has to do without what is missing."""

from collections.abc import Callable, Mapping
from typing import TypeAlias
from uuid import UUID

from domain.cycle_counts import applied
from domain.inventory import AdjustReason, Movement, StockState
from domain.kernel.ids import new_id
from persistence import inventory
from persistence.database import attempt
from persistence.stock_losses import Place
from services import stock_losses
from services.context import Transaction
from services.stock_losses import OthersToo, Owners

MOST_TRIES = 20

Target: TypeAlias = Callable[[int], int]
"""How many units a level shall have on hand, of how many it has."""


async def book(transaction: Transaction, counts: Mapping[Place, int], source_kind: str) -> int:
    """Book the differences between units counted and units on hand; returns how many levels changed.

    What is missing goes as it does by stockAdjust: free units first, then the newest holds, then the
    newest orders. Statements do not grow with the counts, but for each order that lacks units then.
    """
    return len(await _tried(transaction, {p: _exactly(n) for p, n in counts.items()}, source_kind, new_id()))


async def book_differences(
    transaction: Transaction, differences: Mapping[Place, int], source_kind: str, source_id: UUID
) -> dict[Place, int]:
    """Book differences found earlier on what is on hand now; returns by how much each level changed.

    Units that have left since cannot be missing too: a level changes by less than its difference then.
    """
    wanted = {place: _by(difference) for place, difference in differences.items() if difference}
    return await _tried(transaction, wanted, source_kind, source_id) if wanted else {}


async def _tried(
    transaction: Transaction, wanted: Mapping[Place, Target], source_kind: str, source_id: UUID
) -> dict[Place, int]:
    owners = Owners()
    for _ in range(MOST_TRIES):
        try:
            # Carts and orders are locked before levels, but only locked levels tell which carts and
            # orders: what the last try found is locked first, until nobody else is concerned.
            async with attempt(transaction.connection):
                return await _book(transaction, wanted, source_kind, source_id, owners)
        except OthersToo as error:
            owners = error.owners
    raise RuntimeError("the holds of counted levels changed too often to book what is missing")


async def _book(
    transaction: Transaction,
    wanted: Mapping[Place, Target],
    source_kind: str,
    source_id: UUID,
    owners: Owners,
) -> dict[Place, int]:
    locked = await stock_losses.lock(transaction, owners)
    variant_ids = list({place.variant_id for place in wanted})
    location_ids = list({place.location_id for place in wanted})
    found = await inventory.lock_levels(transaction.connection, variant_ids, location_ids)
    levels = {Place(level.variant_id, level.location.id): level for level in found}
    on_hand = {place: levels[place].on_hand if place in levels else 0 for place in wanted}
    changes = {place: target(on_hand[place]) - on_hand[place] for place, target in wanted.items()}
    changes = {place: change for place, change in changes.items() if change}
    gone = [(levels[place], -change) for place, change in changes.items() if change < 0]
    losses = await stock_losses.plan(transaction, gone, owners)
    reason = AdjustReason.COUNTED.value
    movements = [
        *(_gain(place, change) for place, change in changes.items() if change > 0),
        *(move for one in losses for move in one.movements(StockState.ADJUSTMENT, reason)),
    ]
    await stock_losses.move_locked(transaction, movements, source_kind, source_id)
    await stock_losses.tell(transaction, losses, locked)
    return changes


def _exactly(units: int) -> Target:
    return lambda _: units


def _by(difference: int) -> Target:
    return lambda on_hand: applied(on_hand, difference)


def _gain(place: Place, units: int) -> Movement:
    return Movement(
        place.variant_id,
        place.location_id,
        StockState.ADJUSTMENT,
        StockState.AVAILABLE,
        units,
        AdjustReason.COUNTED.value,
    )
