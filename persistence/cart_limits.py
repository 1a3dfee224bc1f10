"""SQL of limits on carts: what all carts of one client address hold together."""

from uuid import UUID

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Two carts of one address would each not see what the other is about to hold.
_LOCK = text(
    """
    SELECT address_number, pg_advisory_xact_lock(address_number) FROM carts
     WHERE id = :cart_id AND address_number IS NOT NULL
    """
)
_HELD = text(
    """
    SELECT coalesce(sum(h.quantity), 0) FROM carts c JOIN holds h ON h.cart_id = c.id AND h.status = 'HELD'
     WHERE c.address_number = :address_number AND c.address_number IS NOT NULL
       AND c.status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')
    """
).bindparams(bindparam("address_number", type_=BigInteger()))


async def lock_held_by_address(connection: AsyncConnection, cart_id: UUID) -> int | None:
    """Return how many units are held from the address a cart was made from; None when that is not counted.

    It cannot grow until the transaction ends. Lock the cart before, and stock levels after.
    """
    row = (await connection.execute(_LOCK, {"cart_id": cart_id})).first()
    if row is None:
        return None
    held = await connection.scalar(_HELD, {"address_number": row.address_number})
    return int(held or 0)
