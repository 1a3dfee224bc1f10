"""GraphQL types of channels."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.values import Node
from domain.channels import Channel as DomainChannel


@strawberry.type
class Channel(Node):
    """A place of selling with one currency."""

    slug: str
    name: str
    currency: str

    @classmethod
    def of(cls, channel: DomainChannel) -> "Channel":
        """Return the GraphQL form of a channel."""
        return cls(
            id=encode_id("Channel", channel.id),
            slug=channel.slug,
            name=channel.name,
            currency=channel.currency,
        )


@strawberry.input
class ChannelCreateInput:
    """A new channel; without locationCodes every location serves it."""

    slug: str
    name: str
    currency: str
    location_codes: list[str] | None = None


@strawberry.type
class ChannelPayload:
    """A channel, or why there is none."""

    channel: Channel | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
