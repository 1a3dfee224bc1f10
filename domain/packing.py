"""Packing by scans: units go into an open parcel, which becomes a shipment when it is closed.

An open parcel moves nothing and binds nobody: what may be packed is looked at again with each scan and when
it is closed. Units in open parcels of the same part are not open for the others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.fulfillment import FulfillmentOrder, FulfillmentWork
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.kernel.scan_errors import Expected, ScanRefused, scanned_code
from domain.parcels import ParcelDraft
from domain.shipment_changes import LockedFulfillment, check_workable, open_units

MAX_OPEN_PARCELS = 20
"""Most parcels of one fulfillment order that are open at once."""
PACKABLE = frozenset({FulfillmentWork.ALLOCATED, FulfillmentWork.PICKED})
"""Straight from the shelf, or out of a tote that is complete; what a wave is still picking is not packed."""


@dataclass(frozen=True, slots=True)
class OpenParcel:
    """A parcel that somebody is filling: units by fulfillment order line."""

    id: UUID
    part_id: UUID
    lines: Mapping[UUID, int]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Item:
    """What of a variant a packer's scanner knows; `weight_grams` of one unit, None if unknown."""

    sku: str
    barcode: str | None
    weight_grams: int | None


@dataclass(frozen=True, slots=True)
class Bench:
    """A part of a locked order on the packing table, with its open parcels and its items by variant."""

    found: LockedFulfillment
    part: FulfillmentOrder
    parcels: tuple[OpenParcel, ...]
    items: Mapping[UUID, Item]

    def left(self) -> dict[UUID, int]:
        """Return how many units of each line are in no parcel yet, open or closed."""
        packed: Counter[UUID] = Counter()
        for parcel in self.parcels:
            packed.update(parcel.lines)
        most = open_units(self.part, self.found.shipments)
        units = {line_id: count - packed[line_id] for line_id, count in most.items()}
        return {line_id: count for line_id, count in units.items() if count > 0}

    def expected(self) -> list[Expected]:
        """Return what is still to be scanned."""
        left = self.left()
        return [Expected(line.sku, left[line.id]) for line in self.part.lines if line.id in left]

    def parcel(self, parcel_id: UUID) -> OpenParcel:
        """Return one of the open parcels; raises NotFound."""
        found = next((one for one in self.parcels if one.id == parcel_id), None)
        if found is None:
            raise NotFound("the fulfillment order has no such open parcel", "parcelId")
        return found

    def with_parcel(self, parcel: OpenParcel) -> "Bench":
        """Return the bench with a parcel that changes or is new."""
        known = {one.id: one for one in self.parcels} | {parcel.id: parcel}
        return replace(self, parcels=tuple(known.values()))


def check_packable(bench: Bench) -> None:
    """Raise IllegalTransition unless the part may be packed: it is worked on, and wholly picked."""
    check_workable(bench.found.order, bench.part, "fulfillmentOrderId")
    if bench.part.work not in PACKABLE:
        raise IllegalTransition(
            f"the fulfillment order is {bench.part.work.value}",
            bench.part.work.value,
            sorted(PACKABLE),
            "fulfillmentOrderId",
        )


def scan(bench: Bench, parcel: OpenParcel, code: str, quantity: int) -> OpenParcel:
    """Put scanned units into an open parcel; raises ScanRefused, InvalidInput and IllegalTransition."""
    check_packable(bench)
    if quantity < 1:
        raise InvalidInput("must be at least 1", "quantity")
    code = scanned_code(code)
    if parcel not in bench.parcels and len(bench.parcels) >= MAX_OPEN_PARCELS:
        raise InvalidInput(f"it has {MAX_OPEN_PARCELS} open parcels, the most there may be", "parcelId")
    matching = [line for line in bench.part.lines if _is(bench.items.get(line.variant_id), line.sku, code)]
    if not matching:
        raise ScanRefused("WRONG_ITEM", "is not in this order", code, bench.expected()[:3], "code")
    left = bench.left()
    most = sum(left.get(line.id, 0) for line in matching)
    if quantity > most:
        expected = [Expected(matching[0].sku, most)] if most else []
        message = f"{most} units of it are still to be packed, not {quantity}"
        raise ScanRefused("SURPLUS", message, code, expected, "quantity")
    lines, rest = dict(parcel.lines), quantity
    for line in matching:
        units = min(rest, left.get(line.id, 0))
        if units:
            lines[line.id] = lines.get(line.id, 0) + units
            rest -= units
    return replace(parcel, lines=lines, version=parcel.version + 1)


def draft(bench: Bench, parcel: OpenParcel, given: ParcelDraft) -> ParcelDraft:
    """Return what `shipment_changes.pack` makes a shipment of; a weight that nobody gave is added up.

    Raises InvalidInput for an empty parcel.
    """
    if not parcel.lines:
        raise InvalidInput("there is nothing in it", "parcelId")
    size = given.size
    if size.weight_grams is None:
        size = replace(size, weight_grams=_weight(bench, parcel))
    return replace(given, lines=parcel.lines, size=size)


def _weight(bench: Bench, parcel: OpenParcel) -> int | None:
    variants = {line.id: line.variant_id for line in bench.part.lines}
    grams = 0
    for line_id, units in parcel.lines.items():
        variant_id = variants.get(line_id)
        item = bench.items.get(variant_id) if variant_id else None
        if item is None or item.weight_grams is None:
            return None
        grams += item.weight_grams * units
    return grams or None


def _is(item: Item | None, sku: str, code: str) -> bool:
    return code == sku or (item is not None and code in (item.sku, item.barcode))


def line_units(part: FulfillmentOrder, parcel: OpenParcel) -> Sequence[tuple[str, int]]:
    """Return what is in a parcel as (SKU, units)."""
    return [(line.sku, parcel.lines[line.id]) for line in part.lines if line.id in parcel.lines]
