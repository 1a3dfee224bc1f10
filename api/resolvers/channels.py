"""Root fields of channels."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, mutation, query
from api.scalars import decode_id
from api.schema.channels import (
    Channel,
    ChannelArchiveInput,
    ChannelCreateInput,
    ChannelPayload,
    ChannelUpdateInput,
)
from services import channels
from services.access import Permission


@strawberry.type
class ChannelsQuery:
    """Queries of channels."""

    @query(PUBLIC)
    async def channels(self, info: Info) -> list[Channel]:
        """Every channel, by slug."""
        return [Channel.of(channel) for channel in await channels.list_all(info.context.service)]


@strawberry.type
class ChannelsMutation:
    """Mutations of channels."""

    @mutation(ChannelPayload, Permission.CHANNELS_WRITE)
    async def channel_create(self, info: Info, input: ChannelCreateInput) -> ChannelPayload | None:  # noqa: A002
        """Create a channel."""
        channel = await channels.create(
            info.context.service,
            input.slug,
            input.name,
            input.currency,
            input.location_codes,
            input.capture_policy,
            input.payment_terms_days,
        )
        return ChannelPayload(channel=Channel.of(channel))

    @mutation(ChannelPayload, Permission.CHANNELS_WRITE)
    async def channel_update(self, info: Info, input: ChannelUpdateInput) -> ChannelPayload | None:  # noqa: A002
        """Change a channel's name, locale, locations, when it captures, or which orders wait for a person."""
        channel_id = decode_id("Channel", input.id, "id")
        channel = await channels.update(
            info.context.service, channel_id, input.to_changes(), input.expected_version
        )
        return ChannelPayload(channel=Channel.of(channel))

    @mutation(ChannelPayload, Permission.CHANNELS_WRITE)
    async def channel_archive(self, info: Info, input: ChannelArchiveInput) -> ChannelPayload | None:  # noqa: A002
        """Archive a channel: nothing is sold in it any more, its orders stay."""
        channel_id = decode_id("Channel", input.id, "id")
        channel = await channels.archive(info.context.service, channel_id, input.expected_version)
        return ChannelPayload(channel=Channel.of(channel))
