"""Status changes in SQL: a statement says which change it makes, and the transition table is asked."""

from collections.abc import Mapping, Set
from enum import StrEnum
from typing import TypeVar

from domain.kernel.transitions import check_transition

S = TypeVar("S", bound=StrEnum)


def changes_to(wanted: S, table: Mapping[S, Set[S]], *current: S) -> str:
    """Return the condition of a statement that makes the `current` statuses `wanted`: `IN ('A', 'B')`.

    The table is asked when the statement is built, so one that strays from it fails at import.
    Raises IllegalTransition.
    """
    for status in current:
        check_transition(table, status, wanted, "what the statement changes")
    listed = ", ".join(f"'{status.value}'" for status in current)
    return f"IN ({listed})"
