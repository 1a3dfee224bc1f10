"""What use cases of goods that come in have in common: where they are, and the stock they are."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.inventory import Movement
from domain.kernel.errors import NotFound
from domain.locations import is_code
from persistence import inventory, locations
from services.context import Transaction


async def place_of(connection: AsyncConnection, code: str) -> UUID:
    """Return the location of a code; raises NotFound."""
    found = await locations.id_of_code(connection, code) if is_code(code) else None
    if found is None:
        raise NotFound("no location has this code", "locationCode")
    return found


async def move_stock(
    transaction: Transaction, movements: Sequence[Movement], source_kind: str, source_id: UUID
) -> None:
    """Move units of a document whose lock the caller has; raises NotFound where they are gone."""
    short = await inventory.move(
        transaction.connection,
        movements,
        source_kind=source_kind,
        source_id=source_id,
        actor=transaction.actor,
        now=transaction.now,
    )
    if short:
        raise NotFound("its units are no longer in quality control there: count the stock", "id")
