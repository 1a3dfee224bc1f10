"""Locations: the places that hold stock."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from domain.addresses import Address, check
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
MAX_NAME_LENGTH = 200


class LocationKind(StrEnum):
    """What sort of place it is."""

    WAREHOUSE = "WAREHOUSE"
    STORE = "STORE"


@dataclass(frozen=True, slots=True)
class Location:
    """A warehouse, store or supplier's shelf."""

    id: UUID
    code: str
    name: str
    address: Address | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class LocationChanges:
    """What shall become of a location; KEEP leaves a field as it is. Its code never changes."""

    name: str | Keep = KEEP
    address: Address | Keep | None = KEEP


def change(location: Location, changes: LocationChanges) -> Location:
    """Return the location changed, one version later if anything differs; raises InvalidInput."""
    address = kept(changes.address, location.address)
    if address is not None and address is not location.address:
        address = check(address, "address")
    name = location.name if changes.name is KEEP else check_name(changes.name)
    changed = replace(location, name=name, address=address)
    return location if changed == location else replace(changed, version=location.version + 1)


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
