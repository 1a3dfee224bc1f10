"""Watching stock: levels as their events tell them, without reading them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.inventory import MAX_ON_HAND, StockLevel
from domain.kernel.errors import InvalidInput
from domain.locations import Location


@dataclass(frozen=True, slots=True)
class Watched:
    """A location that is watched, and what it has of the SKUs asked for, each level with its version."""

    location: Location
    in_use: bool
    skus: frozenset[str]
    """The SKUs asked for that exist; not all have a level here."""
    levels: Sequence[tuple[int, StockLevel]]


@dataclass(frozen=True, slots=True)
class Alarm:
    """When somebody wants to know that little is left: at one location, or at any of them."""

    threshold: int
    location_id: UUID | None = None

    def rings(self, facts: Mapping[str, Any]) -> bool:
        """Say whether what is available fell from above the threshold to it or below, by this StockChanged.

        Events of before there were alarms do not tell what was available before: they ring none.
        """
        here = self.location_id is None or facts["locationId"] == str(self.location_id)
        available, before = int(facts["available"]), int(facts.get("availableBefore", 0))
        return here and available <= self.threshold < before


def check_threshold(threshold: int) -> int:
    """Return the threshold of an alarm; raises InvalidInput for one that no level can fall to."""
    if not 0 <= threshold < MAX_ON_HAND:
        raise InvalidInput(f"must be between 0 and {MAX_ON_HAND - 1}", "threshold")
    return threshold


def level_told(level_id: UUID, facts: Mapping[str, Any], location: Location) -> StockLevel:
    """Return the level at `location` whose StockChanged event tells these facts."""
    return StockLevel(
        id=level_id,
        variant_id=UUID(facts["variantId"]),
        sku=facts["sku"],
        location=location,
        on_hand=facts["onHand"],
        available=facts["available"],
        held=facts["held"],
        committed=facts["committed"],
        safety_stock=facts["safetyStock"],
        quality_control=facts["qualityControl"],
        damaged=facts["damaged"],
        incoming=facts["incoming"],
    )
