"""Root fields of channels."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, mutation, query
from api.schema.channels import Channel, ChannelCreateInput, ChannelPayload
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
            info.context.service, input.slug, input.name, input.currency, input.location_codes
        )
        return ChannelPayload(channel=Channel.of(channel))
