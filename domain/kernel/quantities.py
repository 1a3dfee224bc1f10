"""Quantities of units from outside: bounded before anything computes with them."""

import re

from domain.kernel.errors import InvalidInput

MAX_QUANTITY = 1_000_000
"""Most units one input may name."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def require_positive(quantity: int, *path: str) -> int:
    """Return `quantity` if it is between 1 and MAX_QUANTITY; raises InvalidInput naming `path`."""
    if not 1 <= quantity <= MAX_QUANTITY:
        raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", *path)
    return quantity


def require_text(text: str, longest: int, *path: str) -> str:
    """Return `text` stripped, if it is not blank, storable and at most `longest` characters.

    PostgreSQL stores neither NUL nor lone surrogates, so both are refused here by name.
    """
    cleaned = text.strip()
    if not cleaned:
        raise InvalidInput("must not be blank", *path)
    return require_storable(cleaned, longest, *path)


def require_storable(text: str, longest: int, *path: str) -> str:
    """Return `text` unchanged if PostgreSQL can store it; raises InvalidInput naming `path`."""
    if len(text) > longest:
        raise InvalidInput(f"must be at most {longest} characters", *path)
    if not is_storable(text):
        raise InvalidInput("contains a character that cannot be stored", *path)
    return text


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL could hold `text`; what it could not need not be looked for."""
    return "\0" not in text and _SURROGATE.search(text) is None
