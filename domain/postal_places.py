"""Where postal codes are: rows of a file of places, checked."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.kernel.errors import InvalidInput

COLUMNS = ("country", "postalCode", "latitude", "longitude")
MAX_PREFIX = 10
"""Longest beginning of a postal code that a place is kept for, spaces and hyphens not counted."""
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class PostalPlace:
    """About where the postal codes that begin so are; '' is the whole country."""

    country: str
    prefix: str
    latitude: float
    longitude: float


def prefix_of(code: str) -> str:
    """Return a postal code, or the beginning of one, as places are looked for."""
    return "".join(one for one in code.upper() if one.isalnum() and one.isascii())[:MAX_PREFIX]


def read(cells: Mapping[str, Any]) -> PostalPlace:
    """Return the place of a row; raises InvalidInput naming the column."""
    country = str(cells.get("country") or "").strip().upper()
    if not _COUNTRY.fullmatch(country):
        raise InvalidInput("must be an ISO 3166-1 code of two letters, such as DE", "country")
    code = str(cells.get("postalCode") or "").strip()
    prefix = prefix_of(code)
    if code and not prefix:
        raise InvalidInput("has neither letters nor digits", "postalCode")
    return PostalPlace(country, prefix, _degrees(cells, "latitude", 90), _degrees(cells, "longitude", 180))


def _degrees(cells: Mapping[str, Any], column: str, most: int) -> float:
    try:
        value = float(cells.get(column) or "nan")
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and -most <= value <= most):
        raise InvalidInput(f"must be a number between -{most} and {most}", column)
    return value
