"""Use cases of delivery rates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain import shipping as decide
from domain.channels import Channel, is_slug, money_in
from domain.kernel.changes import KEEP, Keep, check_version, kept
from domain.kernel.errors import InvalidInput, NotFound, under
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.money import Amount
from domain.shipping import DeliveryRate, FreeForGroup
from persistence import channels, delivery_zones
from persistence import shipping as rows
from services import audit
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class RateChanges:
    """What shall become of a rate's fields; KEEP leaves one as it is (in a new rate: the default)."""

    carrier: str | Keep = KEEP
    service: str | Keep = KEEP
    price: Amount | Keep = KEEP
    countries: Sequence[str] | Keep | None = KEEP
    min_weight_grams: int | Keep = KEEP
    max_weight_grams: int | Keep | None = KEEP
    min_value: Amount | Keep = KEEP
    max_value: Amount | Keep | None = KEEP
    min_days: int | Keep | None = KEEP
    max_days: int | Keep | None = KEEP
    position: int | Keep = KEEP
    zone_id: UUID | Keep | None = KEEP
    min_volume_ml: int | Keep = KEEP
    max_volume_ml: int | Keep | None = KEEP
    included_weight_grams: int | Keep = KEEP
    per_kilogram: Amount | Keep | None = KEEP
    free_from: Amount | Keep | None = KEEP
    dimensional_divisor: int | Keep | None = KEEP
    free_for_groups: Sequence[tuple[str, Amount]] | Keep = KEEP


async def list_rates(context: ServiceContext, channel: str) -> tuple[Channel, list[DeliveryRate]]:
    """Return a channel and its rates in the order they are offered; raises NotFound."""
    found = await get_channel(context, channel)
    async with context.read() as connection:
        return found, await rows.of_channel(connection, found.id)


async def create(context: ServiceContext, channel: str, given: RateChanges) -> tuple[Channel, DeliveryRate]:
    """Add a rate to a channel's table.

    Raises NotFound for the channel and InvalidInput naming the field, or channel when it has as
    many rates as one may have.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        found = await channels.by_slug(transaction.connection, channel) if is_slug(channel) else None
        if found is None:
            raise NotFound("no channel has this slug", "channel")
        if await rows.count(transaction.connection, found.id) >= decide.MAX_RATES:
            raise InvalidInput(f"has {decide.MAX_RATES} rates, the most there may be", "channel")
        rate = _changed(DeliveryRate(new_id(), "", "", 0), given, found)
        await _check_zone(transaction, rate, found)
        await rows.create(transaction.connection, rate, found.id, transaction.now)
        await _record(transaction, "DeliveryRateCreated", found, None, rate, rate.version)
    return found, rate


async def update(
    context: ServiceContext, rate_id: UUID, given: RateChanges, expected_version: int | None = None
) -> tuple[Channel, DeliveryRate]:
    """Change a rate; carts see it at their next change, orders keep what they were told.

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        rate, channel = await _locked(transaction, rate_id, expected_version)
        changed = _changed(rate, given, channel)
        if changed == rate:
            return channel, rate
        await _check_zone(transaction, changed, channel)
        changed = replace(changed, version=rate.version + 1)
        await rows.save(transaction.connection, changed)
        await _record(transaction, "DeliveryRateUpdated", channel, rate, changed, changed.version)
    return channel, changed


async def archive(
    context: ServiceContext, rate_id: UUID, expected_version: int | None = None
) -> tuple[Channel, DeliveryRate]:
    """Take a rate out of use; raises NotFound and VersionConflict."""
    require(context.actor, Permission.SHIPPING_WRITE)
    async with context.transaction() as transaction:
        rate, channel = await _locked(transaction, rate_id, expected_version)
        gone = replace(rate, version=rate.version + 1)
        await rows.archive(transaction.connection, gone, transaction.now)
        await _record(transaction, "DeliveryRateArchived", channel, rate, None, gone.version)
    return channel, gone


async def _locked(
    transaction: Transaction, rate_id: UUID, expected_version: int | None
) -> tuple[DeliveryRate, Channel]:
    found = await rows.lock(transaction.connection, rate_id)
    if found is None:
        raise NotFound("no delivery rate has this id", "id")
    rate, channel_id = found
    check_version(rate.version, expected_version)
    return rate, (await channels.by_ids(transaction.connection, [channel_id]))[channel_id]


def _changed(rate: DeliveryRate, given: RateChanges, channel: Channel) -> DeliveryRate:
    return decide.check(
        replace(
            rate,
            carrier=kept(given.carrier, rate.carrier),
            service=kept(given.service, rate.service),
            price_minor=kept(_minor(channel, given.price, "price"), rate.price_minor),
            countries=kept(_codes(given.countries), rate.countries),
            min_weight_grams=kept(given.min_weight_grams, rate.min_weight_grams),
            max_weight_grams=kept(given.max_weight_grams, rate.max_weight_grams),
            min_value_minor=kept(_minor(channel, given.min_value, "minValue"), rate.min_value_minor),
            max_value_minor=None
            if given.max_value is None
            else kept(_minor(channel, given.max_value, "maxValue"), rate.max_value_minor),
            min_days=kept(given.min_days, rate.min_days),
            max_days=kept(given.max_days, rate.max_days),
            position=kept(given.position, rate.position),
            zone_id=kept(given.zone_id, rate.zone_id),
            min_volume_ml=kept(given.min_volume_ml, rate.min_volume_ml),
            max_volume_ml=kept(given.max_volume_ml, rate.max_volume_ml),
            included_weight_grams=kept(given.included_weight_grams, rate.included_weight_grams),
            per_kilogram_minor=0
            if given.per_kilogram is None
            else kept(_minor(channel, given.per_kilogram, "perKilogram"), rate.per_kilogram_minor),
            free_from_minor=None
            if given.free_from is None
            else kept(_minor(channel, given.free_from, "freeFrom"), rate.free_from_minor),
            dimensional_divisor=kept(given.dimensional_divisor, rate.dimensional_divisor),
            free_for_groups=rate.free_for_groups
            if given.free_for_groups is KEEP
            else _groups(channel, given.free_for_groups),
        )
    )


async def _check_zone(transaction: Transaction, rate: DeliveryRate, channel: Channel) -> None:
    """Raise NotFound unless the rate's zone is one of the channel's; it stays in use meanwhile."""
    zone_id = rate.zone_id
    if zone_id is None or await delivery_zones.is_of_channel(transaction.connection, zone_id, channel.id):
        return
    raise NotFound("the channel has no such zone", "zoneId")


def _minor(channel: Channel, amount: Amount | Keep, field: str) -> int | Keep:
    return KEEP if amount is KEEP else money_in(channel, amount, field).amount_minor


def _groups(channel: Channel, given: Sequence[tuple[str, Amount]]) -> tuple[FreeForGroup, ...]:
    made = []
    for at, (group, amount) in enumerate(given):
        with under("freeForGroups", str(at)):
            made.append(FreeForGroup(group, money_in(channel, amount, "freeFrom").amount_minor))
    return tuple(made)


async def _record(
    transaction: Transaction,
    kind: str,
    channel: Channel,
    before: DeliveryRate | None,
    after: DeliveryRate | None,
    version: int,
) -> None:
    rate = after or before
    assert rate is not None, "a change has at least one side"  # noqa: S101
    await audit.record(transaction, kind, "delivery_rate", rate.id, before, after)
    transaction.emit(
        Event(
            kind=kind,
            aggregate="delivery_rate",
            aggregate_id=rate.id,
            version=version,
            occurred_at=transaction.now,
            channel_id=channel.id,
            payload={"carrier": rate.carrier, "service": rate.service, "priceMinor": rate.price_minor},
        )
    )


def _codes(countries: Sequence[str] | Keep | None) -> frozenset[str] | Keep | None:
    return countries if countries is KEEP or countries is None else frozenset(countries)
