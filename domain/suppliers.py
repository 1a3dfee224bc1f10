"""Suppliers: whom the shop buys its articles from."""

import re
from dataclasses import dataclass, replace
from uuid import UUID

from domain.kernel.changes import KEEP, Keep
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
MAX_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Supplier:
    """Whom articles are bought from; its code is the shop's own short name of it and never changes."""

    id: UUID
    code: str
    name: str
    version: int = 1
    archived: bool = False


def check_new(supplier: Supplier) -> Supplier:
    """Return a new supplier cleaned; raises InvalidInput naming the field."""
    if not is_code(supplier.code):
        raise InvalidInput(
            "use 1 to 63 letters, digits, '_', '.' and '-', beginning with a letter or digit", "code"
        )
    return replace(supplier, name=_name(supplier.name))


def change(supplier: Supplier, name: str | Keep) -> Supplier:
    """Return the supplier changed, one version later if anything differs; raises InvalidInput."""
    changed = supplier if name is KEEP else replace(supplier, name=_name(name))
    return supplier if changed == supplier else replace(changed, version=supplier.version + 1)


def is_code(text: str) -> bool:
    """Say whether a supplier could have this code; what could not need not be looked for."""
    return _CODE.fullmatch(text) is not None


def _name(name: str) -> str:
    return require_text(name, MAX_NAME_LENGTH, "name")
