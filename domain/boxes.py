"""Boxes: what a shop packs its parcels into."""

from dataclasses import dataclass, replace
from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text

MAX_BOXES = 50
"""Most boxes a shop may have, so that packing stays quick."""

MAX_NAME_LENGTH = 100
MAX_SIDE_MM = 10_000
MAX_WEIGHT_GRAMS = 2_000_000


@dataclass(frozen=True, slots=True)
class ShippingBox:
    """A box to pack into: inner measures in millimetres, weights in grams.

    `own_weight_grams` is what it weighs empty, `max_weight_grams` what it may weigh full (None: anything).
    """

    id: UUID
    name: str
    length_mm: int
    width_mm: int
    height_mm: int
    own_weight_grams: int = 0
    max_weight_grams: int | None = None
    version: int = 1

    @property
    def volume_mm3(self) -> int:
        """The space inside."""
        return self.length_mm * self.width_mm * self.height_mm


def check(box: ShippingBox) -> ShippingBox:
    """Return the box cleaned; raises InvalidInput naming the field."""
    sides = {"lengthMm": box.length_mm, "widthMm": box.width_mm, "heightMm": box.height_mm}
    for field, side in sides.items():
        if not 1 <= side <= MAX_SIDE_MM:
            raise InvalidInput(f"must be between 1 and {MAX_SIDE_MM}", field)
    if not 0 <= box.own_weight_grams <= MAX_WEIGHT_GRAMS:
        raise InvalidInput(f"must be between 0 and {MAX_WEIGHT_GRAMS}", "ownWeightGrams")
    most = box.max_weight_grams
    if most is not None and not box.own_weight_grams < most <= MAX_WEIGHT_GRAMS:
        raise InvalidInput(f"must be above ownWeightGrams and at most {MAX_WEIGHT_GRAMS}", "maxWeightGrams")
    return replace(box, name=require_text(box.name, MAX_NAME_LENGTH, "name"))
