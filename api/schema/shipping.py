"""GraphQL types of delivery rates."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from api.errors import UserError
from api.scalars import decode_id, encode_id
from api.schema.channels import Channel
from api.schema.values import Money, MoneyInput, Node, given, given_domain
from domain.channels import Channel as DomainChannel
from domain.delivery_promises import promise_of_facts
from domain.kernel.changes import KEEP, Keep
from domain.kernel.money import Amount
from domain.shipping import DeliveryRate as DomainDeliveryRate
from domain.shipping import rate_of_facts
from services.shipping import RateChanges

ZONE = "DeliveryZone"


@strawberry.type(
    description="From what the goods must cost after discounts for delivery to be free for a group."
)
class FreeForGroup:
    """What one customer group has instead of a rate's freeFrom."""

    customer_group: str
    free_from: Money


@strawberry.input
class FreeForGroupInput:
    """What one customer group has instead of a rate's freeFrom; 0: it is always free for it."""

    customer_group: str
    free_from: MoneyInput


@strawberry.type(
    description="What a channel charges for a way of delivery: which countries it serves (null: all) or "
    "which zone, and the bands of weight, volume and value it is for, from min up to but not including max "
    "(null: open). Weight is that of the packed parcels, where dimensionalDivisor is set at least what their "
    "space counts for. minDays and maxDays are working days on the way."
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
    zone_id: strawberry.ID | None = strawberry.field(description="The zone it is for instead of countries.")
    min_volume_ml: int
    max_volume_ml: int | None
    included_weight_grams: int
    per_kilogram: Money = strawberry.field(
        description="What each kilogram begun above includedWeightGrams costs on top of price."
    )
    free_from: Money | None = strawberry.field(
        description="From what the goods must cost after discounts for it to be free; null: it never is."
    )
    dimensional_divisor: int | None = strawberry.field(
        description="Cubic centimetres that count as a kilogram; null: only weight counts."
    )

    free_for_groups: list[FreeForGroup] = strawberry.field(
        description="What customer groups have instead of freeFrom."
    )

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
            zone_id=None if rate.zone_id is None else encode_id(ZONE, rate.zone_id),
            min_volume_ml=rate.min_volume_ml,
            max_volume_ml=rate.max_volume_ml,
            included_weight_grams=rate.included_weight_grams,
            per_kilogram=Money.of_minor(rate.per_kilogram_minor, currency),
            free_from=None
            if rate.free_from_minor is None
            else Money.of_minor(rate.free_from_minor, currency),
            dimensional_divisor=rate.dimensional_divisor,
            free_for_groups=[
                FreeForGroup(customer_group=group, free_from=Money.of_minor(least, currency))
                for group, least in rate.free_for_groups
            ],
        )


@strawberry.type(description="How an order is delivered, as it was chosen, and when it was said to arrive.")
class OrderDelivery:
    """What an order keeps of its delivery."""

    carrier: str
    service: str
    price: Money
    earliest: datetime | None
    latest: datetime | None

    @classmethod
    def of(cls, kept: Mapping[str, Any], currency: str) -> "OrderDelivery":
        """Return the GraphQL form of what an order keeps."""
        rate, told = rate_of_facts(kept), promise_of_facts(kept)
        return cls(
            carrier=rate.carrier,
            service=rate.service,
            price=Money.of_minor(rate.price_minor, currency),
            earliest=told.earliest,
            latest=told.latest,
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
    zone_id: strawberry.ID | None = None
    min_volume_ml: int = 0
    max_volume_ml: int | None = None
    included_weight_grams: int = 0
    per_kilogram: MoneyInput | None = None
    free_from: MoneyInput | None = None
    dimensional_divisor: int | None = None
    free_for_groups: list[FreeForGroupInput] | None = None

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
            zone_id=None if self.zone_id is None else decode_id(ZONE, self.zone_id, "zoneId"),
            min_volume_ml=self.min_volume_ml,
            max_volume_ml=self.max_volume_ml,
            included_weight_grams=self.included_weight_grams,
            per_kilogram=self.per_kilogram.to_domain() if self.per_kilogram else None,
            free_from=self.free_from.to_domain() if self.free_from else None,
            dimensional_divisor=self.dimensional_divisor,
            free_for_groups=_groups(self.free_for_groups or []),
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
    zone_id: strawberry.Maybe[strawberry.ID | None]
    min_volume_ml: strawberry.Maybe[int]
    max_volume_ml: strawberry.Maybe[int | None]
    included_weight_grams: strawberry.Maybe[int]
    per_kilogram: strawberry.Maybe[MoneyInput | None]
    free_from: strawberry.Maybe[MoneyInput | None]
    dimensional_divisor: strawberry.Maybe[int | None]
    free_for_groups: strawberry.Maybe[list[FreeForGroupInput]]
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
            zone_id=_zone_id(given(self.zone_id)),
            min_volume_ml=given(self.min_volume_ml),
            max_volume_ml=given(self.max_volume_ml),
            included_weight_grams=given(self.included_weight_grams),
            per_kilogram=given_domain(self.per_kilogram),
            free_from=given_domain(self.free_from),
            dimensional_divisor=given(self.dimensional_divisor),
            free_for_groups=_groups(given(self.free_for_groups)),
        )


def _groups(groups: list[FreeForGroupInput] | Keep) -> list[tuple[str, Amount]] | Keep:
    if groups is KEEP:
        return KEEP
    return [(one.customer_group, one.free_from.to_domain()) for one in groups]


def _zone_id(named: str | Keep | None) -> UUID | Keep | None:
    return named if named is None or named is KEEP else decode_id(ZONE, named, "zoneId")


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
