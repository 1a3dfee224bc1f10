"""Watching stock: levels as their events tell them, without reading them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.inventory import StockLevel
from domain.locations import Location


@dataclass(frozen=True, slots=True)
class Watched:
    """A location that is watched, and what it has of the SKUs asked for, each level with its version."""

    location: Location
    in_use: bool
    skus: frozenset[str]
    """The SKUs asked for that exist; not all have a level here."""
    levels: Sequence[tuple[int, StockLevel]]


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
