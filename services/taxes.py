"""Use cases of tax rates: the table that a shop edits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain import taxes as decide
from domain.addresses import is_country
from domain.channels import Channel, is_slug
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.moments import in_utc
from domain.taxes import STANDARD, TaxRate
from persistence import channels
from persistence import taxes as rows
from services import audit
from services.access import Permission, require
from services.channels import get as get_channel
from services.context import ServiceContext, Transaction


@dataclass(frozen=True, slots=True)
class RateDraft:
    """A rate as a client sends it, still to be checked; `percent` is exact."""

    channel: str
    country: str
    name: str
    percent: Decimal
    tax_class: str = STANDARD
    region: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    applies_to_shipping: bool = False


async def list_rates(
    context: ServiceContext, channel: str, country: str | None
) -> tuple[Channel, Sequence[TaxRate]]:
    """Return a channel and its rates, or those of one country; raises NotFound."""
    require(context.actor, Permission.PRICING_WRITE)
    if country is not None and not is_country(country.upper()):
        raise InvalidInput("is not an ISO 3166-1 alpha-2 country code", "country")
    found = await get_channel(context, channel)
    async with context.read() as connection:
        return found, await rows.of_channel(connection, found.id, country and country.upper())


async def set_rate(context: ServiceContext, draft: RateDraft) -> tuple[Channel, TaxRate]:
    """Add a rate, or change the one of the same name, place, class and beginning.

    Carts are priced by it from now on, orders keep what they were told. Raises NotFound for the channel and
    InvalidInput naming the field, or channel when it has as many rates as one may have.
    """
    require(context.actor, Permission.PRICING_WRITE)
    given = _checked(draft)
    async with context.transaction() as transaction:
        connection = transaction.connection
        channel = await channels.by_slug(connection, draft.channel) if is_slug(draft.channel) else None
        if channel is None:
            raise NotFound("no channel has this slug", "channel")
        before = await rows.lock_same(connection, channel.id, given)
        if before is None and await rows.count(connection, channel.id) >= decide.MAX_RATES:
            raise InvalidInput(f"has {decide.MAX_RATES} tax rates, the most there may be", "channel")
        if before is not None and before == replace(given, id=before.id, version=before.version):
            return channel, before
        rate = await rows.put(connection, channel.id, given, transaction.now)
        await _record(transaction, "TaxRateSet", channel.id, before, rate)
    return channel, rate


async def delete_rate(context: ServiceContext, rate_id: UUID) -> tuple[UUID, TaxRate]:
    """Delete a rate; returns its channel's id and what it was. Raises NotFound."""
    require(context.actor, Permission.PRICING_WRITE)
    async with context.transaction() as transaction:
        gone = await rows.delete(transaction.connection, rate_id)
        if gone is None:
            raise NotFound("no tax rate has this id", "id")
        rate, channel_id = gone
        await _record(transaction, "TaxRateDeleted", channel_id, rate, None)
    return channel_id, rate


def _checked(draft: RateDraft) -> TaxRate:
    return decide.check(
        TaxRate(
            id=new_id(),
            country=draft.country,
            name=draft.name,
            parts_per_million=decide.read_percent(draft.percent, "percent"),
            tax_class=draft.tax_class,
            region=draft.region,
            valid_from=None if draft.valid_from is None else in_utc(draft.valid_from, "validFrom"),
            valid_until=None if draft.valid_until is None else in_utc(draft.valid_until, "validUntil"),
            applies_to_shipping=draft.applies_to_shipping,
        )
    )


async def _record(
    transaction: Transaction, kind: str, channel_id: UUID, before: TaxRate | None, after: TaxRate | None
) -> None:
    rate = after or before
    assert rate is not None, "a change has at least one side"  # noqa: S101
    version = after.version if after else rate.version + 1
    payload = {
        "country": rate.country,
        "region": rate.region,
        "taxClass": rate.tax_class,
        "name": rate.name,
        "percent": str(rate.percent),
    }
    await audit.record(transaction, kind, "tax_rate", rate.id, before, after)
    transaction.emit(Event(kind, "tax_rate", rate.id, version, transaction.now, channel_id, payload))
