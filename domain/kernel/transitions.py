"""Status changes as data: one table per axis, one function that checks it."""

from collections.abc import Mapping, Set
from enum import StrEnum
from typing import TypeVar

from domain.kernel.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)


def check_transition(table: Mapping[S, Set[S]], current: S, wanted: S, noun: str, *path: str) -> bool:
    """Say whether the change has to be made: False when it already was (repeating is a no-op).

    Raises IllegalTransition naming the statuses that would be allowed, and `path`, the input field.
    """
    if current is wanted:
        return False
    allowed = table.get(current, frozenset())
    if wanted not in allowed:
        raise IllegalTransition(
            f"{noun} is {current.value} and cannot become {wanted.value}",
            current.value,
            sorted(status.value for status in allowed),
            *path,
        )
    return True
