"""Delivery rates: what a channel offers to which country, for which weights and values."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.addresses import is_country
from domain.kernel.errors import InvalidInput
from domain.kernel.money import MAX_AMOUNT_MINOR, Money
from domain.kernel.quantities import require_text

MAX_NAME_LENGTH = 100
MAX_WEIGHT_GRAMS = 1_000_000_000
MAX_DAYS = 365
MAX_POSITION = 1_000_000
MAX_RATES = 250
"""Most rates a channel may have, so that a cart's options stay a bounded list."""


@dataclass(frozen=True, slots=True)
class DeliveryRate:
    """One row of the rate table; bands are [min, max), a max of None is open.

    Weights are grams, values minor units of the channel's currency, days whole days from now.
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

    def facts(self) -> dict[str, object]:
        """Return what an order keeps of the rate it is delivered by."""
        return {
            "rateId": str(self.id),
            "carrier": self.carrier,
            "service": self.service,
            "priceMinor": self.price_minor,
        }

    def applies(self, country: str | None, weight_grams: int, value_minor: int) -> bool:
        """Say whether a parcel can go by this rate; an unknown country takes worldwide rates only."""
        if self.countries is not None and country not in self.countries:
            return False
        return _within(weight_grams, self.min_weight_grams, self.max_weight_grams) and _within(
            value_minor, self.min_value_minor, self.max_value_minor
        )


@dataclass(frozen=True, slots=True)
class DeliveryOption:
    """A rate offered to one cart; the times are estimates, None where the rate names no days."""

    id: UUID
    carrier: str
    service: str
    price: Money
    earliest: datetime | None
    latest: datetime | None


def options(
    rates: Iterable[DeliveryRate], country: str | None, weight_grams: int, value_minor: int
) -> list[DeliveryRate]:
    """Return the rates that apply, in the order of the rate table."""
    return [rate for rate in rates if rate.applies(country, weight_grams, value_minor)]


def offer(rate: DeliveryRate, currency: str, now: datetime) -> DeliveryOption:
    """Return what a client is shown of a rate that applies."""
    return DeliveryOption(
        rate.id,
        rate.carrier,
        rate.service,
        Money(rate.price_minor, currency),
        _after(now, rate.min_days),
        _after(now, rate.max_days),
    )


def check(rate: DeliveryRate) -> DeliveryRate:
    """Return the rate cleaned, its countries in capitals; raises InvalidInput naming the field."""
    _check_band("WeightGrams", rate.min_weight_grams, rate.max_weight_grams, MAX_WEIGHT_GRAMS)
    _check_band("Value", rate.min_value_minor, rate.max_value_minor, MAX_AMOUNT_MINOR)
    _check_days(rate.min_days, rate.max_days)
    if not -MAX_POSITION <= rate.position <= MAX_POSITION:
        raise InvalidInput(f"must be between {-MAX_POSITION} and {MAX_POSITION}", "position")
    return replace(
        rate,
        carrier=require_text(rate.carrier, MAX_NAME_LENGTH, "carrier"),
        service=require_text(rate.service, MAX_NAME_LENGTH, "service"),
        countries=_check_countries(rate.countries),
    )


def standard_rate(rate_id: UUID) -> DeliveryRate:
    """Return the rate every new channel starts with: free and worldwide, until the shop sets its own."""
    return DeliveryRate(rate_id, "Standard", "Standard", 0)


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


def _after(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)
