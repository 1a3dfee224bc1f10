"""Use cases of the ledger: every unit explained, and proof that it is so."""

from dataclasses import dataclass

from domain.catalog import VariantRef
from domain.inventory import OUTSIDE
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.quantities import is_storable
from domain.stock_ledger import Discrepancy, LedgerEntry
from persistence import stock_ledger as rows
from services.access import Permission, require
from services.context import ServiceContext

NEWEST = 2**63 - 1
"""A movement id later than any."""
MOST_DISCREPANCIES = 1_000
"""Most differences one check reports."""


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What a comparison of all levels with the ledger and the holds found."""

    levels: int
    movements: int
    discrepancies: list[Discrepancy]


async def movements(
    context: ServiceContext,
    variant: VariantRef,
    location_code: str | None,
    *,
    first: int,
    after: int | None = None,
) -> tuple[list[LedgerEntry], bool]:
    """Return up to `first` movements of a variant, newest first, and whether there are older ones.

    `after` is the id of the movement to go on after. Raises NotFound for a variant or location
    that does not exist, InvalidInput for an id that no movement can have.
    """
    require(context.actor, Permission.STOCK_READ)
    before = NEWEST if after is None else after
    if not 0 < before <= NEWEST:
        raise InvalidInput("is not a cursor of this list", "after")
    named = [name for name in (variant.sku, location_code) if name is not None]
    if not all(is_storable(name) for name in named):
        raise NotFound("contains a character that no name has", "variant")
    async with context.read() as connection:
        variant_id, location_id = await rows.find(connection, variant, location_code)
        if variant_id is None:
            raise NotFound(f"no variant is named {str(variant)[:100]!r}", "variant")
        if location_code is not None and location_id is None:
            raise NotFound(f"no location has the code {location_code[:64]!r}", "locationCode")
        found = await rows.page(
            connection, variant_id, location_id=location_id, before=before, most=first + 1
        )
    return found[:first], len(found) > first


async def check(context: ServiceContext) -> LedgerCheck:
    """Compare every level with the sum of its movements, and its held units with its holds.

    Each comparison sees one moment, so writers may go on meanwhile.
    """
    require(context.actor, Permission.STOCK_READ)
    async with context.read() as connection:
        discrepancies = await rows.unexplained(connection, sorted(OUTSIDE), MOST_DISCREPANCIES)
        levels, moved = await rows.size(connection)
    return LedgerCheck(levels, moved, discrepancies)
