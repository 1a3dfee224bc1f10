"""GraphQL types of delivery rates."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.values import Money, MoneyInput, Node, given, given_domain
from domain.channels import Channel as DomainChannel
from domain.kernel.changes import KEEP
from domain.shipping import DeliveryRate as DomainDeliveryRate
from services.shipping import RateChanges


@strawberry.type(
    description="What a channel charges for a way of delivery: which countries it serves (null: all), and "
    "the bands of weight and value it is for, from min up to but not including max (null: open)."
)
class DeliveryRate(Node):
    """One row of a channel's rate table."""

    version: int
    channel: Channel
    carrier: str
    service: str
    price: Money
    countries: list[str] | None
    min_weight_grams: int
    max_weight_grams: int | None
    min_value: Money
    max_value: Money | None
    min_days: int | None
    max_days: int | None
    position: int

    @classmethod
    def of(cls, rate: DomainDeliveryRate, channel: DomainChannel) -> "DeliveryRate":
        """Return the GraphQL form of a channel's rate."""
        currency = channel.currency
        limit = rate.max_value_minor
        return cls(
            id=encode_id("DeliveryRate", rate.id),
            version=rate.version,
            channel=Channel.of(channel),
            carrier=rate.carrier,
            service=rate.service,
            price=Money.of_minor(rate.price_minor, currency),
            countries=None if rate.countries is None else sorted(rate.countries),
            min_weight_grams=rate.min_weight_grams,
            max_weight_grams=rate.max_weight_grams,
            min_value=Money.of_minor(rate.min_value_minor, currency),
            max_value=None if limit is None else Money.of_minor(limit, currency),
            min_days=rate.min_days,
            max_days=rate.max_days,
            position=rate.position,
        )


@strawberry.input
class DeliveryRateCreateInput:
    """A new rate; without countries it serves all of them, without a max its band is open."""

    channel: str
    carrier: str
    service: str
    price: MoneyInput
    countries: list[str] | None = None
    min_weight_grams: int = 0
    max_weight_grams: int | None = None
    min_value: MoneyInput | None = None
    max_value: MoneyInput | None = None
    min_days: int | None = None
    max_days: int | None = None
    position: int = 0

    def to_changes(self) -> RateChanges:
        """Return the fields of the new rate, still to be checked."""
        return RateChanges(
            carrier=self.carrier,
            service=self.service,
            price=self.price.to_domain(),
            countries=self.countries,
            min_weight_grams=self.min_weight_grams,
            max_weight_grams=self.max_weight_grams,
            min_value=self.min_value.to_domain() if self.min_value else KEEP,
            max_value=self.max_value.to_domain() if self.max_value else None,
            min_days=self.min_days,
            max_days=self.max_days,
            position=self.position,
        )


@strawberry.input(description="What is left out stays as it is.")
class DeliveryRateUpdateInput:
    """Changes of a rate."""

    id: strawberry.ID
    carrier: strawberry.Maybe[str]
    service: strawberry.Maybe[str]
    price: strawberry.Maybe[MoneyInput]
    countries: strawberry.Maybe[list[str] | None]
    min_weight_grams: strawberry.Maybe[int]
    max_weight_grams: strawberry.Maybe[int | None]
    min_value: strawberry.Maybe[MoneyInput]
    max_value: strawberry.Maybe[MoneyInput | None]
    min_days: strawberry.Maybe[int | None]
    max_days: strawberry.Maybe[int | None]
    position: strawberry.Maybe[int]
    expected_version: int | None = None

    def to_changes(self) -> RateChanges:
        """Return what shall change, still to be checked."""
        return RateChanges(
            carrier=given(self.carrier),
            service=given(self.service),
            price=given_domain(self.price),
            countries=given(self.countries),
            min_weight_grams=given(self.min_weight_grams),
            max_weight_grams=given(self.max_weight_grams),
            min_value=given_domain(self.min_value),
            max_value=given_domain(self.max_value),
            min_days=given(self.min_days),
            max_days=given(self.max_days),
            position=given(self.position),
        )


@strawberry.input
class DeliveryRateArchiveInput:
    """A rate to take out of use."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class DeliveryRatePayload:
    """A rate, or why there is none."""

    delivery_rate: DeliveryRate | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
