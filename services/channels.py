"""Use cases of channels."""

from collections.abc import Sequence
from uuid import UUID

from domain import channels as decide
from domain.channels import Channel
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.shipping import standard_rate
from persistence import channels as rows
from persistence import shipping
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction


async def create(
    context: ServiceContext,
    slug: str,
    name: str,
    currency: str,
    location_codes: Sequence[str] | None = None,
) -> Channel:
    """Create a channel served by the named locations, most preferred first (null: by all).

    Raises InvalidInput for a bad or taken slug, a bad name or an unknown currency, and NotFound
    for an unknown location code.
    """
    require(context.actor, Permission.CHANNELS_WRITE)
    slug, name, currency = decide.check_new(slug, name, currency)
    channel = Channel(new_id(), slug, name, currency)
    async with context.transaction() as transaction:
        connection = transaction.connection
        everywhere = location_codes is None
        if not await rows.create(connection, channel, serves_all_locations=everywhere, now=transaction.now):
            raise InvalidInput(f"a channel with the slug {slug!r} exists already", "slug")
        if location_codes is None:
            await rows.serve_from_all(connection, channel.id)
        else:
            await _serve_from(transaction, channel.id, location_codes)
        # Free and worldwide, so that a checkout works before anybody has set up rates.
        await shipping.create(connection, standard_rate(new_id()), channel.id, transaction.now)
        await audit.record(transaction, "ChannelCreated", "channel", channel.id, after=channel)
        transaction.emit(
            Event(
                kind="ChannelCreated",
                aggregate="channel",
                aggregate_id=channel.id,
                version=channel.version,
                occurred_at=transaction.now,
                channel_id=channel.id,
                payload={"slug": slug, "currency": currency},
            )
        )
    return channel


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


async def _serve_from(transaction: Transaction, channel_id: UUID, codes: Sequence[str]) -> None:
    if len(set(codes)) != len(codes):
        raise InvalidInput("names a location twice", "locationCodes")
    known = await rows.location_ids_by_code(transaction.connection, codes)
    for code in codes:
        if code not in known:
            raise NotFound(f"no location has the code {code!r}", "locationCodes")
    await rows.serve_from(transaction.connection, channel_id, [known[code] for code in codes])
