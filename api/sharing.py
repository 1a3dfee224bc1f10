"""Who may share the run of a subscription, and what its readers are owed.

Every subscription field declares its scope; the default shares nothing. A shared run acts as whom the
scope makes of its viewers, never as the viewer who came first, so that nobody is answered with what
another may see.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from services.access import ANONYMOUS, Actor


class Scope(Enum):
    """Viewers whose equal subscriptions are answered alike."""

    UNSHARED = "nobody else"
    VIEWER = "the same customer, member of staff or app"
    PERMISSIONS = "everyone of one kind with the same permissions; a customer, nobody else"
    PUBLIC = "everyone"

    @property
    def shares(self) -> bool:
        """Whether anybody else may share a run."""
        return self is not Scope.UNSHARED

    def actor(self, viewer: Actor) -> Actor:
        """Return as whom a run for `viewer` acts: equal for all who share it."""
        if self is Scope.PUBLIC:
            return ANONYMOUS
        if self is Scope.PERMISSIONS:
            # A customer may see what is their own, whatever else comes to limit an actor must divide viewers
            # by itself too.
            return viewer if viewer.customer_id else replace(viewer, id=None)
        return viewer


@dataclass(frozen=True, slots=True)
class Sharing:
    """How one subscription field is shared and delivered.

    With `conflate_by` readers are owed only the newest value of each key that it returns; without it,
    every one.
    """

    scope: Scope = Scope.UNSHARED
    conflate_by: Callable[[Any], Hashable] | None = None


SHARING_KEY = "ordertide.sharing"
"""Where a subscription field's sharing is kept in its metadata."""
