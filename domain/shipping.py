"""Delivery rates: what a channel offers to which country, for which weights and values."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.kernel.money import Money


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


def _within(amount: int, least: int, limit: int | None) -> bool:
    return amount >= least and (limit is None or amount < limit)


def _after(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)
