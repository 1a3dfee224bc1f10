"""Use cases of deliveries: goods received for many SKUs at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.inventory import AdjustReason, Movement, StockState
from domain.kernel.ids import new_id
from persistence import deliveries as rows
from persistence import inventory
from services.access import Permission, require
from services.context import ServiceContext

# Levels of one transaction: enough to be fast, few enough that buyers never wait long for a level.
_LEVELS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Shelf:
    """How many units of a SKU should be on sale at one location."""

    sku: str
    location_code: str
    units: int


async def fill_up(context: ServiceContext, shelves: Sequence[Shelf]) -> int:
    """Receive what each shelf lacks; return the units received.

    Every batch is one transaction and one document in the ledger. Shelves that are full enough, and
    those of unknown SKUs and locations, are passed over.
    """
    require(context.actor, Permission.STOCK_WRITE)
    received = 0
    for start in range(0, len(shelves), _LEVELS_AT_ONCE):
        wanted = [(one.sku, one.location_code, one.units) for one in shelves[start : start + _LEVELS_AT_ONCE]]
        async with context.read() as connection:
            lacking = await rows.lacking(connection, wanted)
        if lacking:
            received += await _receive(
                context,
                [
                    Movement(
                        variant,
                        location,
                        StockState.SUPPLIER,
                        StockState.AVAILABLE,
                        units,
                        AdjustReason.RECEIVED,
                    )
                    for variant, location, units in lacking
                ],
            )
    return received


async def _receive(context: ServiceContext, movements: Sequence[Movement]) -> int:
    async with context.transaction() as transaction:
        await inventory.move(
            transaction.connection,
            movements,
            source_kind="delivery",
            source_id=new_id(),
            actor=transaction.actor,
            now=transaction.now,
        )
    return sum(movement.quantity for movement in movements)
