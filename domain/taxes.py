"""Taxes: which rates apply where, and how much tax is in a price or comes on top of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from domain.addresses import MAX_LINE_LENGTH, is_country, region_key
from domain.kernel.errors import InvalidInput
from domain.kernel.money import allocate_minor, rounded_half_up
from domain.kernel.quantities import require_text

STANDARD = "standard"
"""The tax class of what has no other."""
MAX_NAME_LENGTH = 100
MAX_RATES = 1_000
"""Most rates of one channel."""
WHOLE_PARTS = 1_000_000
"""The whole, in parts per million: a rate of 20 % is 200,000."""
_CLASS = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PERCENT_DECIMALS = 4
_MAX_DIGITS = 40


class TaxRounding(StrEnum):
    """Where tax is rounded to whole minor units.

    ORDER rounds once for each rate, over all it is for, as EN 16931 has it (BR-CO-17).
    """

    LINE = "LINE"
    ORDER = "ORDER"


class TaxSource(StrEnum):
    """Who knows a channel's taxes: its own table of rates, or the company's tax service."""

    RATES = "RATES"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class TaxRate:
    """One row of a channel's table: what one tax takes of one class of goods in a country or region of it.

    Valid in `[valid_from, valid_until)`.
    """

    id: UUID
    country: str
    name: str
    parts_per_million: int
    tax_class: str = STANDARD
    region: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    applies_to_shipping: bool = False
    version: int = 1

    @property
    def percent(self) -> Decimal:
        """The rate in percent, without needless zeros."""
        return percent_of(self.parts_per_million)


Rates = tuple[TaxRate, ...]
"""Rates that apply to the same thing together, in their order."""


def percent_of(parts_per_million: int) -> Decimal:
    """Return parts per million in percent, without needless zeros."""
    percent = Decimal(parts_per_million).scaleb(-_PERCENT_DECIMALS)
    whole = percent.to_integral_value()
    return whole if percent == whole else percent.normalize()


def rates_for(rates: Sequence[TaxRate], region: str | None, tax_class: str, now: datetime) -> Rates:
    """Return the rates of one country that goods of a class take when sent to a region of it.

    The closest wins: rates that name the region stand instead of those of the whole country, and a class
    that has none is taxed as `standard`. Several rates of the same place and class add up.
    """
    for wanted in dict.fromkeys((tax_class, STANDARD)):
        here = [one for one in rates if one.tax_class == wanted and _is_valid(one, now)]
        named = [one for one in here if _is_of(one, region)]
        found = named or [one for one in here if one.region is None]
        if found:
            return tuple(sorted(found, key=lambda one: (one.name, str(one.id))))
    return ()


def shipping_rates(rates: Sequence[TaxRate], region: str | None, now: datetime) -> Rates:
    """Return the rates that delivery takes: those of `standard` that are for it too."""
    return tuple(one for one in rates_for(rates, region, STANDARD, now) if one.applies_to_shipping)


def tax_parts(
    bases: Sequence[int], rates: Rates, *, included: bool, rounding: TaxRounding
) -> list[Sequence[int]]:
    """Return how much of each rate each of `bases` (minor units, after discounts) takes; a row a rate.

    On top of a price: base x rate. Inside one: base x rates / (1 + rates), shared among the rates by their
    size. Rounded half up; what was rounded over all is split by largest remainder.
    """
    if not included:
        return [_on_top(bases, rate.parts_per_million, rounding) for rate in rates]
    together = sum(rate.parts_per_million for rate in rates)
    inside = _inside(bases, together, rounding)
    return _shared(inside, [rate.parts_per_million for rate in rates])


def read_percent(percent: Decimal, *path: str) -> int:
    """Return a rate in percent (0 to 100, up to 4 decimals) as parts per million; raises InvalidInput."""
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise InvalidInput("must be between 0 and 100", *path)
    # Bounded before anything is computed: 1E-999999 must not become a million digits.
    if percent and (percent.adjusted() < -_PERCENT_DECIMALS or len(percent.as_tuple().digits) > _MAX_DIGITS):
        raise InvalidInput(f"has at most {_PERCENT_DECIMALS} decimals", *path)
    parts = Fraction(percent) * (WHOLE_PARTS // 100)
    if parts.denominator != 1:
        raise InvalidInput(f"has at most {_PERCENT_DECIMALS} decimals", *path)
    return parts.numerator


def check(rate: TaxRate) -> TaxRate:
    """Return the rate cleaned; raises InvalidInput naming the field."""
    country = rate.country.upper()
    if not is_country(country):
        raise InvalidInput("is not an ISO 3166-1 alpha-2 country code", "country")
    if rate.applies_to_shipping and rate.tax_class != STANDARD:
        raise InvalidInput(f"only rates of the class {STANDARD} are for shipping too", "appliesToShipping")
    if rate.valid_from and rate.valid_until and rate.valid_from >= rate.valid_until:
        raise InvalidInput("must be later than validFrom", "validUntil")
    region = None if rate.region is None else require_text(rate.region, MAX_LINE_LENGTH, "region")
    if region is not None and region_key(country, region) is None:
        raise InvalidInput(f"is not a region of {country}", "region")
    return replace(
        rate,
        country=country,
        name=require_text(rate.name, MAX_NAME_LENGTH, "name"),
        tax_class=check_class(rate.tax_class),
        region=region and region_key(country, region),
    )


def check_class(tax_class: str) -> str:
    """Return the name of a tax class; raises InvalidInput naming taxClass."""
    if _CLASS.fullmatch(tax_class) is None:
        raise InvalidInput(
            "use 1 to 40 of a-z, 0-9, '_' and '-', beginning with a letter or digit", "taxClass"
        )
    return tax_class


def _is_valid(rate: TaxRate, now: datetime) -> bool:
    begun = rate.valid_from is None or now >= rate.valid_from
    return begun and (rate.valid_until is None or now < rate.valid_until)


def _is_of(rate: TaxRate, region: str | None) -> bool:
    if rate.region is None or region is None:
        return False
    return region_key(rate.country, rate.region) == region_key(rate.country, region)


def _on_top(bases: Sequence[int], parts: int, rounding: TaxRounding) -> list[int]:
    if rounding is TaxRounding.LINE:
        return [rounded_half_up(base * parts, WHOLE_PARTS) for base in bases]
    return allocate_minor(rounded_half_up(sum(bases) * parts, WHOLE_PARTS), bases)


def _inside(bases: Sequence[int], parts: int, rounding: TaxRounding) -> list[int]:
    whole = WHOLE_PARTS + parts
    if rounding is TaxRounding.LINE:
        return [rounded_half_up(base * parts, whole) for base in bases]
    return allocate_minor(rounded_half_up(sum(bases) * parts, whole), bases)


def _shared(taxes: Sequence[int], parts: Sequence[int]) -> list[Sequence[int]]:
    """Split each line's tax among rates, so that lines and rates both sum exactly.

    One rate after the other takes its share of what is left, counted along the lines: roundings of
    many lines do not add up.
    """
    rows: list[Sequence[int]] = []
    left, left_parts = list(taxes), sum(parts)
    for own in parts[:-1]:
        row, seen, given = [], 0, 0
        for tax in left:
            seen += tax
            due = rounded_half_up(seen * own, left_parts) if left_parts else 0
            row.append(due - given)
            given = due
        left = [tax - part for tax, part in zip(left, row, strict=True)]
        left_parts -= own
        rows.append(row)
    return [*rows, left] if parts else []
