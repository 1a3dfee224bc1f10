"""Locations: the places that hold stock."""

import re
from dataclasses import dataclass
from uuid import UUID

from domain.addresses import Address
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
MAX_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Location:
    """A warehouse, store or supplier's shelf."""

    id: UUID
    code: str
    name: str
    address: Address | None = None
    version: int = 1


def check_new(code: str, name: str) -> tuple[str, str]:
    """Return code and name cleaned; raises InvalidInput naming the field."""
    if not is_code(code):
        raise InvalidInput(
            "use 1 to 63 letters, digits, '_', '.' and '-', beginning with a letter or digit", "code"
        )
    return code, check_name(name)


def check_name(name: str) -> str:
    """Return the name cleaned; raises InvalidInput naming the field."""
    return require_text(name, MAX_NAME_LENGTH, "name")


def is_code(text: str) -> bool:
    """Say whether a location could have this code; what could not need not be looked for."""
    return _CODE.fullmatch(text) is not None
