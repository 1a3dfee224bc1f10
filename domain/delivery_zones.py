"""Delivery zones: which places a channel's rates are for, by country, region and postal code."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from domain.addresses import Address, is_country, region_key
from domain.kernel.errors import InvalidInput, under
from domain.kernel.quantities import require_text

MAX_ZONES = 100
"""Most zones a channel may have."""

MAX_NAME_LENGTH = 100
MAX_POSITION = 1_000_000
MAX_REGIONS = 500
MAX_POSTCODES = 1_000

_LONGEST_POSTCODE = 10
_NOT_WRITTEN = re.compile(r"[\s-]")
_POSTCODE = re.compile(r"[A-Z0-9]{1,10}")
# Great Britain and the islands that share its system: an area of letters, a district, then three more.
_BRITISH = frozenset({"GB", "GG", "IM", "JE"})
_DISTRICT = re.compile(r"([A-Z]{1,2})([0-9]{1,2})[A-Z]?")
_INWARD_LENGTH = 3


@dataclass(frozen=True, slots=True)
class PostcodeRule:
    """Postal codes of one country that begin with `first`, or, with `last`, lie from one to the other.

    Both are in capitals, without spaces and hyphens. A range compares as many characters as its ends have:
    10000 to 19999 are five-digit codes, M1A to M9Z Canadian forward sortation areas. British codes follow
    their districts: N1 is not N10, B is not BS1, and a range is of districts of one area (SW1 to SW9).
    """

    country: str
    first: str
    last: str | None = None

    def matches(self, country: str, postcode: str) -> bool:
        """Say whether a postal code, written as `plain_postcode` does, is among them."""
        if country != self.country:
            return False
        if country in _BRITISH:
            return _matches_british(self.first, self.last, postcode)
        if self.last is None:
            return postcode.startswith(self.first)
        compared = postcode[: len(self.first)]
        return len(compared) == len(self.first) and self.first <= compared <= self.last


@dataclass(frozen=True, slots=True)
class DeliveryZone:
    """Places that rates are for: countries, narrowed to regions and postal codes where it names some there.

    `regions` are a country and its region as addresses have it ("US-CA"). `position` decides where zones
    overlap: a place is in the first that has it, so the most specific one stands first.
    """

    id: UUID
    name: str
    countries: frozenset[str]
    regions: frozenset[str] = frozenset()
    postcodes: tuple[PostcodeRule, ...] = ()
    excluded_postcodes: tuple[PostcodeRule, ...] = ()
    position: int = 0
    version: int = 1

    def has(self, address: Address) -> bool:
        """Say whether a place is in the zone, whatever other zones say."""
        country = address.country
        if country not in self.countries:
            return False
        regions = [one for one in self.regions if one.startswith(f"{country}-")]
        if regions and _region_of(address) not in regions:
            return False
        postcode = plain_postcode(address.postal_code or "")
        included = [one for one in self.postcodes if one.country == country]
        if included and not any(one.matches(country, postcode) for one in included):
            return False
        return not any(one.matches(country, postcode) for one in self.excluded_postcodes)


def zone_of(zones: Iterable[DeliveryZone], address: Address | None) -> DeliveryZone | None:
    """Return the zone a place is in: the first that has it, of zones in order; None without an address."""
    return None if address is None else next((zone for zone in zones if zone.has(address)), None)


def plain_postcode(written: str) -> str:
    """Return a postal code in capitals, without spaces and hyphens, as rules compare it."""
    return _NOT_WRITTEN.sub("", written).upper()


def check(zone: DeliveryZone) -> DeliveryZone:
    """Return the zone cleaned; raises InvalidInput naming the field."""
    countries = frozenset(country.upper() for country in zone.countries)
    unknown = sorted(country[:8] for country in countries if not is_country(country))
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is not an ISO 3166-1 alpha-2 country code", "countries")
    if not countries:
        raise InvalidInput("name at least one country", "countries")
    if not -MAX_POSITION <= zone.position <= MAX_POSITION:
        raise InvalidInput(f"must be between {-MAX_POSITION} and {MAX_POSITION}", "position")
    return replace(
        zone,
        name=require_text(zone.name, MAX_NAME_LENGTH, "name"),
        countries=countries,
        regions=_checked_regions(zone.regions, countries),
        postcodes=_checked_rules(zone.postcodes, countries, "postcodes"),
        excluded_postcodes=_checked_rules(zone.excluded_postcodes, countries, "excludedPostcodes"),
    )


def _checked_regions(regions: frozenset[str], countries: frozenset[str]) -> frozenset[str]:
    if len(regions) > MAX_REGIONS:
        raise InvalidInput(f"at most {MAX_REGIONS}", "regions")
    found = set()
    for written in sorted(regions):
        country, _, region = written.partition("-")
        country = country.upper()
        key = region_key(country, region.strip()) if country in countries and region.strip() else None
        if key is None:
            raise InvalidInput(
                f"{written[:40]!r} is not a region of the zone's countries, such as US-CA", "regions"
            )
        found.add(f"{country}-{key}")
    return frozenset(found)


def _checked_rules(
    rules: tuple[PostcodeRule, ...], countries: frozenset[str], field: str
) -> tuple[PostcodeRule, ...]:
    if len(rules) > MAX_POSTCODES:
        raise InvalidInput(f"at most {MAX_POSTCODES}", field)
    checked = []
    for index, rule in enumerate(rules):
        with under(field, str(index)):
            checked.append(_checked_rule(rule, countries))
    return tuple(checked)


def _checked_rule(rule: PostcodeRule, countries: frozenset[str]) -> PostcodeRule:
    country, first = rule.country.upper(), _checked_postcode(rule.first, "first")
    if country not in countries:
        raise InvalidInput("is not a country of the zone", "country")
    if rule.last is None:
        return PostcodeRule(country, first)
    last = _checked_postcode(rule.last, "last")
    if country in _BRITISH:
        begin, end = _DISTRICT.fullmatch(first), _DISTRICT.fullmatch(last)
        if begin is None or end is None or begin[1] != end[1] or int(begin[2]) > int(end[2]):
            raise InvalidInput("must be a later district of the same area, as in SW1 to SW9", "last")
    elif len(first) != len(last) or first > last:
        raise InvalidInput("must be as long as first, and not before it", "last")
    return PostcodeRule(country, first, last)


def _checked_postcode(written: str, field: str) -> str:
    plain = plain_postcode(written[: 4 * _LONGEST_POSTCODE])
    if _POSTCODE.fullmatch(plain) is None:
        raise InvalidInput("use 1 to 10 letters and digits, as postal codes begin", field)
    return plain


def _region_of(address: Address) -> str | None:
    key = region_key(address.country, address.region) if address.region else None
    return None if key is None else f"{address.country}-{key}"


def _matches_british(first: str, last: str | None, postcode: str) -> bool:
    outward = postcode[:-_INWARD_LENGTH]
    if last is not None:
        here, begin, end = (_DISTRICT.fullmatch(one) for one in (outward, first, last))
        if here is None or begin is None or end is None or here[1] != begin[1]:
            return False
        return int(begin[2]) <= int(here[2]) <= int(end[2])
    if not postcode.startswith(first):
        return False
    # What follows inside the outward code must not make another area or district of it.
    following = outward[len(first) : len(first) + 1]
    if first.isalpha():
        return not following.isalpha()
    return not (first[-1].isdigit() and following.isdigit())
