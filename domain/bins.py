"""Bins: where in a location goods lie, and in which order one walks along them."""

import re
from dataclasses import dataclass
from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text

MAX_TEXT_LENGTH = 60
MAX_POSITION = 1_000_000
MAX_BINS_OF_VARIANT = 20
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin; zones are walked by name, within one bins by position."""

    id: UUID
    location_id: UUID
    code: str
    zone: str
    position: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """In which bins of a location somebody said that a variant lies."""

    location_code: str
    bin_codes: tuple[str, ...]
    preferred: str | None


def check_bin(code: str, zone: str, position: int) -> tuple[str, str, int]:
    """Return what names a bin, trimmed; raises InvalidInput naming the field."""
    if not _CODE.fullmatch(code):
        raise InvalidInput("use 1 to 63 letters, digits, '_', '.' and '-'", "code")
    if not 0 <= position <= MAX_POSITION:
        raise InvalidInput(f"must be between 0 and {MAX_POSITION}", "position")
    return code, require_text(zone, MAX_TEXT_LENGTH, "zone"), position
