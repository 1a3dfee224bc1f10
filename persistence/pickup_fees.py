"""SQL of what collecting costs at stores."""

from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.channels import Channel
from domain.kernel.money import Money
from domain.pickup_fees import PickupFee

_KEY = (bindparam("channel_id", type_=Uuid()), bindparam("location_id", type_=Uuid()))
_SAVE = text(
    """
    INSERT INTO pickup_fees (channel_id, location_id, fee_minor)
    VALUES (:channel_id, :location_id, :fee_minor)
    ON CONFLICT (channel_id, location_id) DO UPDATE SET fee_minor = excluded.fee_minor
    """
).bindparams(*_KEY, bindparam("fee_minor", type_=BigInteger()))
_REMOVE = text(
    "DELETE FROM pickup_fees WHERE channel_id = :channel_id AND location_id = :location_id"
).bindparams(*_KEY)
_FIND = text(
    "SELECT fee_minor FROM pickup_fees WHERE channel_id = :channel_id AND location_id = :location_id"
).bindparams(*_KEY)
_OF_CHANNEL = text(
    """
    SELECT lo.code, f.fee_minor FROM pickup_fees f JOIN locations lo ON lo.id = f.location_id
     WHERE f.channel_id = :channel_id AND lo.archived_at IS NULL ORDER BY lo.code
    """
).bindparams(_KEY[0])
_RAISE_VERSION = text("UPDATE locations SET version = version + 1 WHERE id = :location_id").bindparams(
    _KEY[1]
)


async def save(connection: AsyncConnection, channel_id: UUID, location_id: UUID, fee_minor: int) -> int:
    """Write what collecting costs at a locked location, its version one higher; returns what it cost."""
    key = {"channel_id": channel_id, "location_id": location_id}
    before = int(await connection.scalar(_FIND, key) or 0)
    if before == fee_minor:
        return before
    if fee_minor:
        await connection.execute(_SAVE, {**key, "fee_minor": fee_minor})
    else:
        await connection.execute(_REMOVE, key)
    await connection.execute(_RAISE_VERSION, {"location_id": location_id})
    return before


async def of_channel(connection: AsyncConnection, channel: Channel) -> list[PickupFee]:
    """Return the fees of a channel's stores, by code."""
    return [
        PickupFee(row.code, Money(row.fee_minor, channel.currency))
        for row in await connection.execute(_OF_CHANNEL, {"channel_id": channel.id})
    ]
