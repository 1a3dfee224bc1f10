"""Delivery rates: what a channel offers to which places, for which weights and values, at which price."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from domain.addresses import is_country
from domain.customer_groups import MAX_GROUPS, check_group
from domain.kernel.errors import InvalidInput, under
from domain.kernel.money import MAX_AMOUNT_MINOR, Money
from domain.kernel.quantities import require_text

MAX_NAME_LENGTH = 100
MAX_WEIGHT_GRAMS = 1_000_000_000
MAX_DAYS = 365
MAX_POSITION = 1_000_000
MAX_VOLUME_ML = 1_000_000_000
MAX_DIVISOR = 100_000
MAX_RATES = 250
"""Most rates a channel may have, so that a cart's options stay a bounded list."""


class FreeForGroup(NamedTuple):
    """From what the goods must cost after discounts for delivery to be free for a customer group."""

    group: str
    from_minor: int


@dataclass(frozen=True, slots=True)
class DeliveryRate:
    """One row of the rate table; bands are [min, max), a max of None is open.

    Weights are grams, volumes millilitres, values minor units of the channel's currency. Days are working
    days on the way, from when it leaves. `price_minor` is what everything up to `included_weight_grams`
    costs; each kilogram begun above that costs `per_kilogram_minor` more.
    """

    id: UUID
    carrier: str
    service: str
    price_minor: int
    countries: frozenset[str] | None = None
    """ISO 3166-1 alpha-2 codes; None serves every country."""
    min_weight_grams: int = 0
    max_weight_grams: int | None = None
    min_value_minor: int = 0
    max_value_minor: int | None = None
    min_days: int | None = None
    max_days: int | None = None
    position: int = 0
    version: int = 1
    zone_id: UUID | None = None
    """The zone it is for, which then says where; None: the countries do."""
    min_volume_ml: int = 0
    max_volume_ml: int | None = None
    included_weight_grams: int = 0
    per_kilogram_minor: int = 0
    free_from_minor: int | None = None
    """From what the goods must cost after discounts for it to be free; None: it never is."""
    dimensional_divisor: int | None = None
    """Cubic centimetres that the carrier takes for a kilogram; None: it does not charge for space."""
    handling_days: int = 0
    """Working days the goods stay with us before they leave."""
    provider: str | None = None
    """The carrier's port that has quoted it; None: it is a row of the table."""
    code: str | None = None
    """That carrier's own name of the service."""
    free_for_groups: tuple[FreeForGroup, ...] = ()
    """What a customer group has instead of `free_from_minor`; 0: it is always free for it."""

    def facts(self) -> dict[str, object]:
        """Return what an order keeps of the way it is delivered."""
        facts: dict[str, object] = {
            "rateId": str(self.id),
            "carrier": self.carrier,
            "service": self.service,
            "priceMinor": self.price_minor,
        }
        if self.max_days is not None:
            facts |= {"maxDays": self.max_days, "handlingDays": self.handling_days}
        if self.provider is not None:
            facts |= {"provider": self.provider, "code": self.code}
        return facts

    def applies(self, country: str | None, weight_grams: int, value_minor: int, volume_ml: int = 0) -> bool:
        """Say whether parcels can go by this rate; an unknown country takes worldwide rates only.

        Whether the place is in the rate's zone is not looked at.
        """
        if self.countries is not None and country not in self.countries:
            return False
        return (
            _within(weight_grams, self.min_weight_grams, self.max_weight_grams)
            and _within(value_minor, self.min_value_minor, self.max_value_minor)
            and _within(volume_ml, self.min_volume_ml, self.max_volume_ml)
        )

    def free_from(self, group: str | None) -> int | None:
        """Return from which value of the goods it is free for a customer of a group; None: it never is."""
        return next(
            (one.from_minor for one in self.free_for_groups if one.group == group), self.free_from_minor
        )

    def price_for(self, weight_grams: int, goods_minor: int | None, group: str | None = None) -> int:
        """Return what it costs for so much weight; `goods_minor` is what the goods cost after discounts.

        A kilogram begun counts whole. None for `goods_minor`: nobody asks whether it is free.
        """
        free_from = self.free_from(group)
        if free_from is not None and goods_minor is not None and goods_minor >= free_from:
            return 0
        above_grams = max(0, weight_grams - self.included_weight_grams)
        return min(self.price_minor + -(-above_grams // 1000) * self.per_kilogram_minor, MAX_AMOUNT_MINOR)


@dataclass(frozen=True, slots=True)
class DeliveryOption:
    """A rate offered to one cart; the times are estimates, None where the rate names no days."""

    id: UUID
    carrier: str
    service: str
    price: Money
    earliest: datetime | None
    latest: datetime | None


def rate_of_facts(kept: Mapping[str, Any]) -> DeliveryRate:
    """Return the rate that an order or a payment keeps the facts of."""
    return DeliveryRate(
        UUID(kept["rateId"]),
        kept["carrier"],
        kept["service"],
        kept["priceMinor"],
        max_days=kept.get("maxDays"),
        handling_days=kept.get("handlingDays", 0),
        provider=kept.get("provider"),
        code=kept.get("code"),
    )


def offer(
    rate: DeliveryRate, currency: str, earliest: datetime | None, latest: datetime | None
) -> DeliveryOption:
    """Return what a client is shown of a rate that applies."""
    return DeliveryOption(
        rate.id, rate.carrier, rate.service, Money(rate.price_minor, currency), earliest, latest
    )


def check(rate: DeliveryRate) -> DeliveryRate:
    """Return the rate cleaned, its countries in capitals; raises InvalidInput naming the field."""
    _check_band("WeightGrams", rate.min_weight_grams, rate.max_weight_grams, MAX_WEIGHT_GRAMS)
    _check_band("Value", rate.min_value_minor, rate.max_value_minor, MAX_AMOUNT_MINOR)
    _check_band("VolumeMl", rate.min_volume_ml, rate.max_volume_ml, MAX_VOLUME_ML)
    _check_days(rate.min_days, rate.max_days)
    if not 0 <= rate.included_weight_grams <= MAX_WEIGHT_GRAMS:
        raise InvalidInput(f"must be between 0 and {MAX_WEIGHT_GRAMS}", "includedWeightGrams")
    if rate.dimensional_divisor is not None and not 1 <= rate.dimensional_divisor <= MAX_DIVISOR:
        raise InvalidInput(f"must be between 1 and {MAX_DIVISOR}", "dimensionalDivisor")
    if rate.zone_id is not None and rate.countries is not None:
        raise InvalidInput("the zone says where the rate is for: name no countries", "countries")
    if not -MAX_POSITION <= rate.position <= MAX_POSITION:
        raise InvalidInput(f"must be between {-MAX_POSITION} and {MAX_POSITION}", "position")
    _check_groups(rate.free_for_groups)
    return replace(
        rate,
        carrier=require_text(rate.carrier, MAX_NAME_LENGTH, "carrier"),
        service=require_text(rate.service, MAX_NAME_LENGTH, "service"),
        countries=_check_countries(rate.countries),
    )


def standard_rate(rate_id: UUID) -> DeliveryRate:
    """Return the rate every new channel starts with: free and worldwide, until the shop sets its own."""
    return DeliveryRate(rate_id, "Standard", "Standard", 0)


def _check_groups(groups: tuple[FreeForGroup, ...]) -> None:
    if len(groups) > MAX_GROUPS:
        raise InvalidInput(f"at most {MAX_GROUPS}", "freeForGroups")
    seen: set[str] = set()
    for at, one in enumerate(groups):
        with under("freeForGroups", str(at)):
            if check_group(one.group, "customerGroup") in seen:
                raise InvalidInput("stands twice", "customerGroup")
        seen.add(one.group)


def _check_band(name: str, least: int, limit: int | None, most: int) -> None:
    if not 0 <= least <= most:
        raise InvalidInput(f"must be between 0 and {most}", f"min{name}")
    if limit is not None and not least < limit <= most:
        raise InvalidInput(f"must be above min{name} and at most {most}", f"max{name}")


def _check_days(least: int | None, most: int | None) -> None:
    if least is not None and not 0 <= least <= MAX_DAYS:
        raise InvalidInput(f"must be between 0 and {MAX_DAYS}", "minDays")
    if most is not None and not (least or 0) <= most <= MAX_DAYS:
        raise InvalidInput(f"must be from minDays to {MAX_DAYS}", "maxDays")


def _check_countries(countries: frozenset[str] | None) -> frozenset[str] | None:
    if countries is None:
        return None
    if not countries:
        raise InvalidInput("name at least one country, or null for all", "countries")
    capitals = frozenset(country.upper() for country in countries)
    unknown = sorted(country[:8] for country in capitals if not is_country(country))
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is not an ISO 3166-1 alpha-2 country code", "countries")
    return capitals


def _within(amount: int, least: int, limit: int | None) -> bool:
    return amount >= least and (limit is None or amount < limit)
