"""Use cases of what collecting costs at stores."""

from domain.channels import money_in
from domain.kernel.errors import NotFound
from domain.kernel.events import Event
from domain.kernel.money import Amount, Money
from domain.locations import is_code
from domain.pickup_fees import PickupFee
from persistence import locations
from persistence import pickup_fees as rows
from services import audit
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext
from services.shipping_changes import channel_for


async def list_fees(context: ServiceContext, channel: str) -> list[PickupFee]:
    """Return the fees of a channel's stores, those that ask for none left out; raises NotFound."""
    require(context.actor, Permission.SHIPPING_WRITE)
    found = await get_channel(context, channel)
    async with context.read() as connection:
        return await rows.of_channel(connection, found)


async def set_fee(context: ServiceContext, channel: str, location_code: str, fee: Amount) -> PickupFee:
    """Say what collecting costs at a location; carts see it when they are next read, orders keep theirs.

    Zero: nothing. Saying the same again changes nothing. Raises NotFound (channel, locationCode) and
    InvalidInput naming fee.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        connection = transaction.connection
        found = await channel_for(transaction, channel)
        money = money_in(found, fee, "fee")
        location_id = (
            await locations.id_of_code(connection, location_code) if is_code(location_code) else None
        )
        location = await locations.lock(connection, location_id) if location_id else None
        if location is None:
            raise NotFound("no location in use has this code", "locationCode")
        before = await rows.save(connection, found.id, location.id, money.amount_minor)
        after = PickupFee(location.code, money)
        if before != money.amount_minor:
            was = PickupFee(location.code, Money(before, found.currency))
            await audit.record(transaction, "PickupFeeSet", "location", location.id, was, after)
            facts = {"code": location.code, "pickupFeeMinor": money.amount_minor}
            version = location.version + 1
            transaction.emit(
                Event("LocationUpdated", "location", location.id, version, transaction.now, found.id, facts)
            )
        return after
