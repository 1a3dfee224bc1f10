"""Use cases of delivery zones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain import delivery_zones as decide
from domain.channels import Channel
from domain.delivery_zones import DeliveryZone, PostcodeRule
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from persistence import delivery_zones
from persistence.delivery_zones import ROWS
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext, Transaction
from services.shipping_changes import Kind, channel_for, channel_of, check_room, locked, tell

_KIND = Kind("DeliveryZone", "delivery_zone", "delivery zone")


@dataclass(frozen=True, slots=True)
class ZoneChanges:
    """What shall become of a zone's fields; KEEP leaves one as it is (in a new zone: the default)."""

    name: str | Keep = KEEP
    countries: Sequence[str] | Keep = KEEP
    regions: Sequence[str] | Keep = KEEP
    postcodes: Sequence[PostcodeRule] | Keep = KEEP
    excluded_postcodes: Sequence[PostcodeRule] | Keep = KEEP
    position: int | Keep = KEEP


async def list_zones(context: ServiceContext, channel: str) -> tuple[Channel, list[DeliveryZone]]:
    """Return a channel and its zones in the order they are tried; raises NotFound."""
    require(context.actor, Permission.SHIPPING_WRITE)
    found = await get_channel(context, channel)
    async with context.read() as connection:
        return found, await ROWS.in_use(connection, found.id)


async def create(context: ServiceContext, channel: str, given: ZoneChanges) -> tuple[Channel, DeliveryZone]:
    """Add a zone to a channel; raises NotFound for the channel and InvalidInput naming the field."""
    require(context.actor, Permission.SHIPPING_WRITE)
    zone = _changed(DeliveryZone(new_id(), "", frozenset()), given)
    async with context.transaction() as transaction:
        found = await channel_for(transaction, channel)
        await check_room(transaction, ROWS, _KIND, decide.MAX_ZONES, found.id)
        await ROWS.create(transaction.connection, zone, transaction.now, found.id)
        await _tell(transaction, "Created", None, zone, found.id)
    return found, zone


async def update(
    context: ServiceContext, zone_id: UUID, given: ZoneChanges, expected_version: int | None = None
) -> tuple[Channel, DeliveryZone]:
    """Change a zone; carts see it when they are next read, orders keep what they were told.

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        zone, channel_id = await locked(transaction, ROWS, _KIND, zone_id, expected_version)
        assert channel_id is not None, "a foreign key holds every zone to its channel"  # noqa: S101
        changed = _changed(zone, given)
        if changed != zone:
            changed = replace(changed, version=zone.version + 1)
            await ROWS.save(transaction.connection, changed)
            await _tell(transaction, "Updated", zone, changed, channel_id)
        channel = await channel_of(transaction, channel_id)
    return channel, changed


async def archive(
    context: ServiceContext, zone_id: UUID, expected_version: int | None = None
) -> tuple[Channel, DeliveryZone]:
    """Take a zone out of use; raises NotFound, VersionConflict, and InvalidInput while it has rates."""
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        zone, channel_id = await locked(transaction, ROWS, _KIND, zone_id, expected_version)
        assert channel_id is not None, "a foreign key holds every zone to its channel"  # noqa: S101
        left = await delivery_zones.rates(transaction.connection, zone.id)
        if left:
            raise InvalidInput(f"{left} rates are of this zone: archive or move them first", "id")
        gone = replace(zone, version=zone.version + 1)
        await ROWS.archive(transaction.connection, zone.id, gone.version, transaction.now)
        await _tell(transaction, "Archived", gone, None, channel_id)
        channel = await channel_of(transaction, channel_id)
    return channel, gone


def _changed(zone: DeliveryZone, given: ZoneChanges) -> DeliveryZone:
    return decide.check(
        replace(
            zone,
            name=kept(given.name, zone.name),
            countries=zone.countries if given.countries is KEEP else frozenset(given.countries),
            regions=zone.regions if given.regions is KEEP else frozenset(given.regions),
            postcodes=zone.postcodes if given.postcodes is KEEP else tuple(given.postcodes),
            excluded_postcodes=zone.excluded_postcodes
            if given.excluded_postcodes is KEEP
            else tuple(given.excluded_postcodes),
            position=kept(given.position, zone.position),
        )
    )


async def _tell(
    transaction: Transaction,
    verb: str,
    before: DeliveryZone | None,
    after: DeliveryZone | None,
    channel_id: UUID,
) -> None:
    zone = after or before
    assert zone is not None, "a change has at least one side"  # noqa: S101
    await tell(transaction, _KIND, verb, before, after, zone.version, channel_id, {"name": zone.name})
