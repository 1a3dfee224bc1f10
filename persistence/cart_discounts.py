"""SQL of the codes that carts have."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# With the lock that checkouts take: beside a foreign key's mere share, one that waits for the row, locks its
# newest version and changes that in one statement may end up waiting for who waits for it.
_ADD = text(
    """
    INSERT INTO cart_discount_codes (cart_id, discount_id, applied_at)
    SELECT :cart_id, d.id, :now FROM (SELECT id FROM discounts WHERE id = :discount_id FOR NO KEY UPDATE) d
    ON CONFLICT DO NOTHING
    """
)
_REMOVE = text("DELETE FROM cart_discount_codes WHERE cart_id = :cart_id AND discount_id = :discount_id")


async def add(connection: AsyncConnection, cart_id: UUID, discount_id: UUID, now: datetime) -> None:
    """Give a locked cart a code."""
    await connection.execute(_ADD, {"cart_id": cart_id, "discount_id": discount_id, "now": now})


async def remove(connection: AsyncConnection, cart_id: UUID, discount_id: UUID) -> None:
    """Take a code from a locked cart."""
    await connection.execute(_REMOVE, {"cart_id": cart_id, "discount_id": discount_id})
