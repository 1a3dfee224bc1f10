"""Partial changes: what a client leaves out stays as it is, what it sets to null is cleared."""

from enum import Enum
from typing import Final, Literal, TypeAlias, TypeVar

from domain.kernel.errors import VersionConflict

T = TypeVar("T")


class _Kept(Enum):
    KEEP = "keep"


KEEP: Final = _Kept.KEEP
"""Stands for a field that the client did not name."""

Keep: TypeAlias = Literal[_Kept.KEEP]


def kept(wanted: T | Keep, current: T) -> T:
    """Return what a field becomes: the wanted value, or the current one where none was named."""
    return current if wanted is KEEP else wanted


def check_version(current: int, expected: int | None) -> None:
    """Raise VersionConflict when the client has read another version than the current one."""
    if expected is not None and expected != current:
        raise VersionConflict(current, "expectedVersion")
