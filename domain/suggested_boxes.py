"""Suggested boxes: what a packer is told to take from the shelf for what is still to be packed.

The same packing that rates were weighed by (`domain.cartonization`), of the units that are in no parcel yet.
It is a suggestion: what is scanned into which parcel is the packer's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from domain.boxes import ShippingBox
from domain.cartonization import Goods, Parcel, pack
from domain.catalog import Box
from domain.fulfillment import LIVE, FulfillmentOrder, FulfillmentOrderLine
from domain.kernel.errors import InvalidInput
from domain.shipment_changes import open_units
from domain.shipments import Shipment
from domain.shipping import MAX_DIVISOR


@dataclass(frozen=True, slots=True)
class Measured:
    """What one unit of a variant weighs (grams) and its measures; None: nobody has said."""

    weight_grams: int | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class PackingFacts:
    """What a fulfillment order is packed by, besides its lines.

    `scanned` are units in parcels that somebody is filling, by fulfillment order line; `measured` goods by
    variant; `dimensional_divisor` is that of the delivery rate the order was sold with, None: it has none.
    """

    scanned: Mapping[UUID, int] = field(default_factory=dict)
    measured: Mapping[UUID, Measured] = field(default_factory=dict)
    boxes: tuple[ShippingBox, ...] = ()
    dimensional_divisor: int | None = None


@dataclass(frozen=True, slots=True)
class SuggestedBox:
    """Parcels alike: `count` of them, each with these units of these lines.

    `box` None: in no box of the shop. `weight_grams` includes the box, None where the weight of something in
    it is not known; `dimensional_grams` is what its space counts for, None without a divisor.
    """

    box: ShippingBox | None
    count: int
    lines: tuple[tuple[FulfillmentOrderLine, int], ...]
    weight_grams: int | None
    dimensional_grams: int | None


def check_divisor(divisor: int | None) -> int | None:
    """Return cubic centimetres a kilogram; raises InvalidInput naming dimensionalDivisor."""
    if divisor is not None and not 1 <= divisor <= MAX_DIVISOR:
        raise InvalidInput(f"must be between 1 and {MAX_DIVISOR}", "dimensionalDivisor")
    return divisor


def suggest(
    part: FulfillmentOrder, shipments: Iterable[Shipment], facts: PackingFacts, divisor: int | None = None
) -> list[SuggestedBox]:
    """Return the parcels that the units make which are in no parcel yet, the fullest kind first to last.

    `divisor` counts instead of that of the delivery rate. Nothing where nothing is left to be packed.
    """
    if part.status not in LIVE:
        return []
    left = {
        line_id: units - facts.scanned.get(line_id, 0)
        for line_id, units in open_units(part, shipments).items()
    }
    lines = {str(line.id): line for line in part.lines}
    goods = tuple(_goods(line, left.get(line.id, 0), facts) for line in part.lines)
    divisor = divisor or facts.dimensional_divisor
    found: Counter[SuggestedBox] = Counter()
    for parcel in pack(goods, facts.boxes).parcels:
        found[_suggested(parcel, lines, facts, divisor)] += 1
    return [
        SuggestedBox(one.box, count, one.lines, one.weight_grams, one.dimensional_grams)
        for one, count in found.items()
    ]


def _goods(line: FulfillmentOrderLine, units: int, facts: PackingFacts) -> Goods:
    one = facts.measured.get(line.variant_id, Measured(None, None))
    return Goods(str(line.id), max(0, units), one.weight_grams or 0, one.box)


def _suggested(
    parcel: Parcel, lines: Mapping[str, FulfillmentOrderLine], facts: PackingFacts, divisor: int | None
) -> SuggestedBox:
    units: Counter[str] = Counter()
    for block in parcel.blocks:
        units[block.key] += block.quantity
    for loose in parcel.loose:
        units[loose.key] += loose.quantity
    inside = tuple((line, units[key]) for key, line in lines.items() if units[key])
    known = all(_weighs(line, facts) for line, _ in inside)
    return SuggestedBox(
        parcel.box,
        1,
        inside,
        parcel.weight_grams if known else None,
        None if divisor is None else -(-parcel.volume_mm3 // divisor),
    )


def _weighs(line: FulfillmentOrderLine, facts: PackingFacts) -> bool:
    one = facts.measured.get(line.variant_id)
    return one is not None and one.weight_grams is not None
