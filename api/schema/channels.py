"""GraphQL types of channels."""

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import encode_id
from api.schema.values import Money, MoneyInput, Node, given, given_domain
from domain import channels as domain
from domain import notifications, taxes
from domain.channels import Channel as DomainChannel
from domain.channels import ChannelChanges
from domain.channels import ChannelSettings as DomainChannelSettings
from services.access import Permission

CapturePolicy = strawberry.enum(
    domain.CapturePolicy,
    description="When what an order has authorized is taken: as it opens (placed, or approved where it has "
    "to be), as its parcels leave, or when staff say so.",
)
TaxRounding = strawberry.enum(
    taxes.TaxRounding,
    description="Where tax is rounded to whole minor units: for each line, or once for each rate.",
)


TaxSource = strawberry.enum(
    taxes.TaxSource,
    description="Who knows the taxes: the channel's table of rates, or the company's tax service, which "
    "cartTaxCalculate asks.",
)

NotificationKind = strawberry.enum(notifications.NotificationKind, description="What a customer is told.")


@strawberry.type
class Channel(Node):
    """A place of selling with one currency."""

    slug: str
    name: str
    currency: str
    version: int
    row: strawberry.Private[DomainChannel]

    @classmethod
    def of(cls, channel: DomainChannel) -> "Channel":
        """Return the GraphQL form of a channel."""
        return cls(
            id=encode_id("Channel", channel.id),
            slug=channel.slug,
            name=channel.name,
            currency=channel.currency,
            version=channel.version,
            row=channel,
        )

    @strawberry.field(description="How it sells; for staff, null to others.")  # type: ignore[untyped-decorator]
    async def settings(self, info: Info) -> "ChannelSettings | None":
        """Return the settings, to who may change them."""
        if not info.context.actor.may(Permission.CHANNELS_WRITE):
            return None
        found = await info.context.loaders.channel_settings().load(self.row.id)
        return None if found is None else ChannelSettings.of(found, self.row)


@strawberry.type
class ChannelSettings:
    """How a channel sells."""

    locale: str
    review_from: Money | None = strawberry.field(
        description="Orders of this total or more wait for a person; null: none does."
    )
    serves_all_locations: bool = strawberry.field(
        description="Whether every location serves it, those created later too."
    )
    location_codes: list[str] = strawberry.field(
        description="The locations that serve it, most preferred first."
    )
    capture_policy: CapturePolicy  # type: ignore[valid-type]
    prices_include_tax: bool
    tax_rounding: TaxRounding  # type: ignore[valid-type]
    tax_source: TaxSource  # type: ignore[valid-type]

    hold_unpaid: bool = strawberry.field(
        description="Whether what is paid later is not worked on before the money has come."
    )
    payment_terms_days: int | None = strawberry.field(
        description="Days after an order is placed in which what is billed is due; null: it has no date."
    )
    storefront_url: str | None = strawberry.field(
        description="Where customers follow their order, {number} and {token} standing for its own."
    )
    reply_to: str | None = strawberry.field(description="Where customers' answers to messages go.")
    time_zone: str = strawberry.field(description="The time zone that customers are told dates in.")
    muted_notifications: list[NotificationKind] = strawberry.field(  # type: ignore[valid-type]
        description="What customers are not told."
    )

    @classmethod
    def of(cls, settings: DomainChannelSettings, channel: DomainChannel) -> "ChannelSettings":
        """Return the GraphQL form of a channel's settings."""
        review = settings.review_from_minor
        return cls(
            locale=settings.locale,
            review_from=None if review is None else Money.of_minor(review, channel.currency),
            serves_all_locations=settings.serves_all_locations,
            location_codes=list(settings.location_codes),
            capture_policy=settings.capture_policy,
            prices_include_tax=settings.prices_include_tax,
            tax_rounding=settings.tax_rounding,
            tax_source=settings.tax_source,
            hold_unpaid=settings.hold_unpaid,
            payment_terms_days=settings.payment_terms_days,
            storefront_url=settings.storefront_url,
            reply_to=settings.reply_to,
            time_zone=settings.time_zone,
            muted_notifications=[NotificationKind(kind) for kind in settings.muted_notifications],
        )


@strawberry.input
class ChannelCreateInput:
    """A new channel; without locationCodes every location serves it."""

    slug: str
    name: str
    currency: str
    location_codes: list[str] | None = None
    capture_policy: CapturePolicy = domain.CapturePolicy.AT_SHIPMENT  # type: ignore[valid-type]
    payment_terms_days: int | None = strawberry.field(
        default=None, description="0 to 365 days in which what is billed is due; null: it has no date."
    )


@strawberry.input(description="What is left out stays as it is; slug and currency never change.")
class ChannelUpdateInput:
    """Changes of a channel."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    locale: strawberry.Maybe[str]
    review_from: strawberry.Maybe[MoneyInput | None] = strawberry.field(
        description="Orders of this total or more wait for a person; null: none does."
    )
    location_codes: strawberry.Maybe[list[str] | None] = strawberry.field(
        description="Most preferred first; null: every location, those created later too."
    )
    capture_policy: strawberry.Maybe[CapturePolicy]  # type: ignore[valid-type]
    prices_include_tax: strawberry.Maybe[bool] = strawberry.field(
        description="Whether tax is a part of the prices; carts that are open are priced anew."
    )
    tax_rounding: strawberry.Maybe[TaxRounding]  # type: ignore[valid-type]
    tax_source: strawberry.Maybe[TaxSource]  # type: ignore[valid-type]
    hold_unpaid: strawberry.Maybe[bool] = strawberry.field(
        description="Whether what is paid later is not worked on before the money has come."
    )
    payment_terms_days: strawberry.Maybe[int | None] = strawberry.field(
        description="0 to 365 days in which what is billed is due, of later orders; null: it has no date."
    )
    storefront_url: strawberry.Maybe[str | None] = strawberry.field(
        description="Where customers follow their order, as in https://shop.example/orders/{token}: {number} "
        "and {token} stand for its own. Null: messages have no such link."
    )
    reply_to: strawberry.Maybe[str | None] = strawberry.field(
        description="Where customers' answers to messages go; null: to whom they are from."
    )
    time_zone: strawberry.Maybe[str] = strawberry.field(
        description="The IANA time zone that customers are told dates in, as in Europe/Berlin."
    )
    muted_notifications: strawberry.Maybe[list[NotificationKind]] = strawberry.field(  # type: ignore[valid-type]
        description="What customers are not told from now on."
    )
    expected_version: int | None = None

    def to_changes(self) -> ChannelChanges:
        """Return what shall change, still to be checked."""
        return ChannelChanges(
            name=given(self.name),
            locale=given(self.locale),
            review_from=given_domain(self.review_from),
            location_codes=given(self.location_codes),
            capture_policy=given(self.capture_policy),
            prices_include_tax=given(self.prices_include_tax),
            tax_rounding=given(self.tax_rounding),
            tax_source=given(self.tax_source),
            hold_unpaid=given(self.hold_unpaid),
            payment_terms_days=given(self.payment_terms_days),
            storefront_url=given(self.storefront_url),
            reply_to=given(self.reply_to),
            time_zone=given(self.time_zone),
            muted_notifications=given(self.muted_notifications),
        )


@strawberry.input
class ChannelArchiveInput:
    """A channel to archive: nothing is sold in it any more, its orders stay."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class ChannelPayload:
    """A channel, or why there is none."""

    channel: Channel | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
