"""What letters of claims say, read for many of them at once."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.claim_letters import ClaimLetter, claim_letter
from domain.kernel.errors import NotFound
from domain.notifications import Notification
from persistence import claims


async def letters_of(
    connection: AsyncConnection, notifications: Sequence[Notification]
) -> dict[UUID, ClaimLetter]:
    """Return what there is to say of the claims that notifications tell of, by claim."""
    ids = [one.claim_id for one in notifications if one.claim_id is not None]
    found = await claims.by_ids(connection, ids) if ids else {}
    return {one.id: claim_letter(one) for one in found.values()}


async def newest_of(connection: AsyncConnection, order_id: UUID) -> UUID:
    """Return the newest claim of an order; raises NotFound where there is none."""
    found = await claims.of_order(connection, order_id)
    if not found:
        raise NotFound("the order has no claim yet")
    return found[-1].id
