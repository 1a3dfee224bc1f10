"""Use cases of channels."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain import channels as decide
from domain.channels import CapturePolicy, Channel, ChannelChanges, ChannelSettings
from domain.kernel.changes import check_version
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.locations import is_code
from domain.payment_terms import check_terms
from domain.shipping import standard_rate
from persistence import channels as rows
from persistence import locations, shipping
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction


async def create(
    context: ServiceContext,
    slug: str,
    name: str,
    currency: str,
    location_codes: Sequence[str] | None = None,
    capture_policy: CapturePolicy = CapturePolicy.AT_SHIPMENT,
    payment_terms_days: int | None = None,
) -> Channel:
    """Create a channel served by the named locations, most preferred first (null: by all).

    Raises InvalidInput for a bad or taken slug, a bad name, an unknown currency or bad terms, and
    NotFound for an unknown location code.
    """
    require(context.actor, Permission.CHANNELS_WRITE)
    slug, name, currency = decide.check_new(slug, name, currency)
    days = check_terms(payment_terms_days)
    channel = Channel(new_id(), slug, name, currency)
    async with context.transaction() as transaction:
        connection = transaction.connection
        everywhere = location_codes is None
        if not await rows.create(
            connection,
            channel,
            serves_all_locations=everywhere,
            capture_policy=capture_policy,
            payment_terms_days=days,
            now=transaction.now,
        ):
            raise InvalidInput(f"a channel with the slug {slug!r} exists already", "slug")
        if location_codes is None:
            await locations.lock_serving(connection)
            await rows.serve_from_all(connection, channel.id)
        else:
            location_ids = await _location_ids(transaction, location_codes)
            await rows.serve_from(connection, channel.id, location_ids)
        # Free and worldwide, so that a checkout works before anybody has set up rates.
        await shipping.create(connection, standard_rate(new_id()), channel.id, transaction.now)
        await audit.record(transaction, "ChannelCreated", "channel", channel.id, after=channel)
        transaction.emit(_event(transaction, "ChannelCreated", channel))
    return channel


async def update(
    context: ServiceContext, channel_id: UUID, changes: ChannelChanges, expected_version: int | None = None
) -> Channel:
    """Change a channel; raises NotFound, VersionConflict, and InvalidInput naming the field."""
    require(context.actor, Permission.CHANNELS_WRITE)
    async with context.transaction() as transaction:
        if changes.location_codes is None:
            await locations.lock_serving(transaction.connection)
        channel, settings = await _locked(transaction, channel_id, expected_version)
        changed, after = decide.change(channel, settings, changes)
        if changes.location_codes is None and not settings.serves_all_locations:
            await rows.forget_locations(transaction.connection, channel.id)
            await rows.serve_from_all(transaction.connection, channel.id)
        elif after.location_codes != settings.location_codes and not after.serves_all_locations:
            location_ids = await _location_ids(transaction, after.location_codes)
            await rows.forget_locations(transaction.connection, channel.id)
            await rows.serve_from(transaction.connection, channel.id, location_ids)
        if changed is not channel:
            await rows.save(transaction.connection, changed, after)
            await audit.record(transaction, "ChannelUpdated", "channel", channel.id, settings, after)
            transaction.emit(_event(transaction, "ChannelUpdated", changed))
    return changed


async def archive(context: ServiceContext, channel_id: UUID, expected_version: int | None = None) -> Channel:
    """Archive a channel: nothing is sold in it any more; its orders stay.

    Raises NotFound and VersionConflict.
    """
    require(context.actor, Permission.CHANNELS_WRITE)
    async with context.transaction() as transaction:
        channel, _ = await _locked(transaction, channel_id, expected_version)
        gone = replace(channel, version=channel.version + 1)
        await rows.archive(transaction.connection, gone, transaction.now)
        await audit.record(transaction, "ChannelArchived", "channel", channel.id, before=channel)
        transaction.emit(_event(transaction, "ChannelArchived", gone))
    return gone


async def get(context: ServiceContext, slug: str) -> Channel:
    """Return the channel with this slug; raises NotFound."""
    channel = None
    if decide.is_slug(slug):
        async with context.read() as connection:
            channel = await rows.by_slug(connection, slug)
    if channel is None:
        raise NotFound("no channel has this slug", "channel")
    return channel


async def list_all(context: ServiceContext) -> list[Channel]:
    """Return the channels anybody may see."""
    async with context.read() as connection:
        return await rows.list_all(connection)


def _event(transaction: Transaction, kind: str, channel: Channel) -> Event:
    payload = {"slug": channel.slug, "currency": channel.currency}
    return Event(kind, "channel", channel.id, channel.version, transaction.now, channel.id, payload)


async def _locked(
    transaction: Transaction, channel_id: UUID, expected_version: int | None
) -> tuple[Channel, ChannelSettings]:
    found = await rows.lock(transaction.connection, channel_id)
    if found is None:
        raise NotFound("no channel has this id", "id")
    check_version(found[0].version, expected_version)
    return found


async def _location_ids(transaction: Transaction, codes: Sequence[str]) -> list[UUID]:
    if len(set(codes)) != len(codes):
        raise InvalidInput("names a location twice", "locationCodes")
    known = await rows.location_ids_by_code(transaction.connection, [code for code in codes if is_code(code)])
    for code in codes:
        if code not in known:
            raise NotFound(f"no location has the code {code[:64]!r}", "locationCodes")
    return [known[code] for code in codes]
