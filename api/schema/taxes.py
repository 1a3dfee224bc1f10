"""GraphQL types of tax rates."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import encode_id
from api.schema.channels import Channel
from domain import taxes as domain
from services.taxes import RateDraft

RATE = "TaxRate"


@strawberry.type(
    description="What one tax takes of one class of goods in a country, or in a region of it: rates that "
    "name the region stand instead of those of the country, several of the same place and class add up, and "
    "a class without a rate there is taxed as `standard`. Valid from validFrom up to but not "
    "including validUntil."
)
class TaxRate:
    """One row of a channel's table."""

    id: strawberry.ID
    version: int
    country: str
    region: str | None
    tax_class: str
    name: str
    percent: Decimal
    valid_from: datetime | None
    valid_until: datetime | None
    applies_to_shipping: bool
    channel_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, rate: domain.TaxRate, channel_id: UUID) -> "TaxRate":
        """Return the GraphQL form of a channel's rate."""
        return cls(
            id=encode_id(RATE, rate.id),
            version=rate.version,
            country=rate.country,
            region=rate.region,
            tax_class=rate.tax_class,
            name=rate.name,
            percent=rate.percent,
            valid_from=rate.valid_from,
            valid_until=rate.valid_until,
            applies_to_shipping=rate.applies_to_shipping,
            channel_id=channel_id,
        )

    @strawberry.field(description="Where it holds.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> Channel:
        """Return the channel."""
        channel = await info.context.loaders.channels().load(self.channel_id)
        assert channel is not None, "a foreign key holds every rate to its channel"  # noqa: S101
        return Channel.of(channel)


@strawberry.input(
    description="A rate of the same name, place, class and beginning is changed. percent is from 0 to 100 "
    "with up to 4 decimals; region is as addresses of the country name it."
)
class TaxRateSetInput:
    """A rate to add or change."""

    channel: str
    country: str
    name: str
    percent: Decimal
    tax_class: str = domain.STANDARD
    region: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    applies_to_shipping: bool = strawberry.field(
        default=False, description="Whether delivery takes it too; only rates of the class `standard` can."
    )

    def to_domain(self) -> RateDraft:
        """Return the rate, still to be checked."""
        return RateDraft(
            self.channel,
            self.country,
            self.name,
            self.percent,
            self.tax_class,
            self.region,
            self.valid_from,
            self.valid_until,
            self.applies_to_shipping,
        )


@strawberry.input
class TaxRateDeleteInput:
    """A rate to delete; orders keep what they were told."""

    id: strawberry.ID


@strawberry.type
class TaxRatePayload:
    """A rate, or why there is none."""

    tax_rate: TaxRate | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
