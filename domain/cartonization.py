"""Cartonization: which parcels goods make, so that rates know what is to be carried.

Three-dimensional first fit decreasing: the largest units first, each kind as one block of rows and layers,
into the first parcel that has room, else into a new box. Every parcel keeps its free spaces; a block is set
into a corner of one, and the rest is cut in three (a guillotine cut): nothing can overlap. Turning is
allowed in every direction. The same goods and boxes always make the same parcels. Bin packing is NP-hard: a
good way is found, not always the one with the fewest boxes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

from domain.boxes import ShippingBox
from domain.catalog import Box
from domain.shipments import ParcelSize

MAX_PACKED_UNITS = 1_000
"""Most units that are packed in space; what is more is packed by weight and volume alone."""

MAX_KINDS = 250
"""Most kinds of units that are packed in space, likewise."""


class Goods(NamedTuple):
    """Units alike: `key` names them, weight (grams) and measures are of one; `box` None: nobody measured."""

    key: str
    quantity: int
    weight_grams: int = 0
    box: Box | None = None

    @property
    def volume_mm3(self) -> int:
        """What one unit takes up, as far as that is known."""
        return 0 if self.box is None else self.box.length_mm * self.box.width_mm * self.box.height_mm


class Sides(NamedTuple):
    """Millimetres along the three axes of a parcel."""

    x: int
    y: int
    z: int

    @property
    def volume_mm3(self) -> int:
        """The space between them."""
        return self.x * self.y * self.z


class Block(NamedTuple):
    """Units of one kind in a parcel, side by side: `counts` of them along each axis, from the corner `at`."""

    key: str
    at: Sides
    unit: Sides
    counts: Sides

    @property
    def quantity(self) -> int:
        """How many units it has."""
        return self.counts.volume_mm3


class Loose(NamedTuple):
    """Units in a parcel by weight alone: nobody knows where."""

    key: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A packed parcel; `box` None: goods that are in no box of the shop. The weight includes the box's."""

    box: ShippingBox | None
    weight_grams: int
    volume_mm3: int
    blocks: tuple[Block, ...] = ()
    loose: tuple[Loose, ...] = ()
    own_sides: Sides | None = None
    """The measures of a unit that goes without a box."""

    @property
    def size(self) -> ParcelSize:
        """Its measures, those of the box being its inner ones: what it is made of is thin."""
        weight = self.weight_grams or None
        if self.box is not None:
            return ParcelSize(weight, self.box.length_mm, self.box.width_mm, self.box.height_mm)
        return ParcelSize(weight) if self.own_sides is None else ParcelSize(weight, *self.own_sides)

    def billable_grams(self, divisor: int | None) -> int:
        """Return what a carrier charges for: the weight, or what the space would weigh, if that is more.

        `divisor` is the carrier's, in cubic centimetres a kilogram (5000 is usual); None: weight alone.
        """
        if divisor is None:
            return self.weight_grams
        return max(self.weight_grams, -(-self.volume_mm3 // divisor))


@dataclass(frozen=True, slots=True)
class Packing:
    """All parcels of some goods; `unpackable` are those that fit no box, each a parcel of its own."""

    parcels: tuple[Parcel, ...]
    unpackable: tuple[Loose, ...] = ()

    def billable_grams(self, divisor: int | None = None) -> int:
        """Return what is charged for all parcels together."""
        return sum(parcel.billable_grams(divisor) for parcel in self.parcels)


# Deterministic, and asked again for every look at a cart.
@lru_cache(maxsize=512)
def pack(goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...]) -> Packing:
    """Pack goods into boxes, of which there are as many as needed.

    Without boxes all is one parcel. Units without measures are put in by weight; so is everything where
    there is too much to be packed in space. What fits no box, by size or weight, is a parcel of its own each,
    and is told as unpackable.
    """
    wanted = [one for one in goods if one.quantity > 0]
    if not wanted:
        return Packing(())
    if not boxes:
        return Packing((_in_no_box(wanted),))
    # By space, then by what they may weigh: the order in which they are tried.
    ordered = sorted(boxes, key=lambda box: (box.volume_mm3, box.max_weight_grams or 0, box.id))
    bench = _Bench(ordered)
    in_space = sum(one.quantity for one in wanted) <= MAX_PACKED_UNITS and len(wanted) <= MAX_KINDS
    for one in sorted(wanted, key=_largest_first):
        if one.box is not None and in_space:
            bench.place(one, one.quantity)
        elif one.box is None or any(_fits_somehow(one, box) for box in ordered):
            bench.later.append(one)
        else:
            bench.unpackable.append((one, one.quantity))
    bench.shrink()
    for one in bench.later:
        bench.pour(one)
    return bench.packing()


def _largest_first(goods: Goods) -> tuple[int, int, int, str]:
    longest = 0 if goods.box is None else max(_sides(goods))
    return (-goods.volume_mm3, -longest, -goods.weight_grams, goods.key)


def _sides(goods: Goods) -> Sides:
    assert goods.box is not None, "only what is measured is packed in space"  # noqa: S101
    return Sides(goods.box.length_mm, goods.box.width_mm, goods.box.height_mm)


def _turned(goods: Goods) -> list[Sides]:
    """Return every way to turn a unit, upright first."""
    return list(dict.fromkeys(Sides(*one) for one in permutations(_sides(goods))))


def _fits_somehow(goods: Goods, box: ShippingBox) -> bool:
    if goods.box is None:
        return _units_by_weight(goods, box, box.own_weight_grams) > 0
    inner = sorted((box.length_mm, box.width_mm, box.height_mm))
    fits = all(side <= room for side, room in zip(sorted(_sides(goods)), inner, strict=True))
    return fits and _units_by_weight(goods, box, box.own_weight_grams) > 0


def _units_by_weight(goods: Goods, box: ShippingBox, weight_grams: int) -> int:
    """Return how many more units a box of that weight may take."""
    if box.max_weight_grams is None or goods.weight_grams == 0:
        return goods.quantity
    return max(0, box.max_weight_grams - weight_grams) // goods.weight_grams


class _Space(NamedTuple):
    at: Sides
    size: Sides


@dataclass(slots=True)
class _Open:
    """A parcel that is being packed."""

    box: ShippingBox
    weight_grams: int
    spaces: list[_Space]
    blocks: list[Block] = field(default_factory=list)
    contents: list[tuple[Goods, int]] = field(default_factory=list)
    loose: list[Loose] = field(default_factory=list)
    loose_mm3: int = 0

    @classmethod
    def of(cls, box: ShippingBox) -> "_Open":
        inner = Sides(box.length_mm, box.width_mm, box.height_mm)
        return cls(box, box.own_weight_grams, [_Space(Sides(0, 0, 0), inner)])

    def take(self, goods: Goods, quantity: int) -> int:
        """Set in as many units as have room; returns how many."""
        taken = 0
        while taken < quantity:
            most = min(quantity - taken, _units_by_weight(goods, self.box, self.weight_grams))
            found = self._room(goods, most) if most else None
            if found is None:
                break
            index, block = found
            self._set(index, block)
            self.weight_grams += goods.weight_grams * block.quantity
            taken += block.quantity
        if taken:
            self.contents.append((goods, taken))
        return taken

    def _room(self, goods: Goods, most: int) -> tuple[int, Block] | None:
        """Return the first space with room and the fullest block of at most `most` units there."""
        turned = _turned(goods)
        for index, space in enumerate(self.spaces):
            made = [
                Block(goods.key, space.at, unit, _counts(unit, space.size, most))
                for unit in turned
                if unit.x <= space.size.x and unit.y <= space.size.y and unit.z <= space.size.z
            ]
            if made:
                # Of equals the first: the one that is turned least.
                return index, max(made, key=lambda block: block.quantity)
        return None

    def _set(self, index: int, block: Block) -> None:
        """Take a block's corner out of a space, and cut what is left of it in three."""
        at, size = self.spaces.pop(index)
        used = Sides(*(side * count for side, count in zip(block.unit, block.counts, strict=True)))
        left = (
            _Space(Sides(at.x + used.x, at.y, at.z), Sides(size.x - used.x, size.y, size.z)),
            _Space(Sides(at.x, at.y + used.y, at.z), Sides(used.x, size.y - used.y, size.z)),
            _Space(Sides(at.x, at.y, at.z + used.z), Sides(used.x, used.y, size.z - used.z)),
        )
        self.spaces.extend(space for space in left if space.size.volume_mm3)
        # Small spaces first: large ones are kept for large units.
        self.spaces.sort(key=lambda space: (space.size.volume_mm3, space.at))
        self.blocks.append(block)

    def free_mm3(self) -> int:
        """Return the space not taken yet."""
        return sum(space.size.volume_mm3 for space in self.spaces) - self.loose_mm3

    def parcel(self) -> Parcel:
        return Parcel(self.box, self.weight_grams, self.box.volume_mm3, tuple(self.blocks), tuple(self.loose))


def _counts(unit: Sides, size: Sides, most: int) -> Sides:
    """Return how many units go side by side along each axis: whole layers first, then rows, then a row."""
    along = Sides(size.x // unit.x, size.y // unit.y, size.z // unit.z)
    layer = along.x * along.y
    if most >= layer:
        return Sides(along.x, along.y, min(along.z, most // layer))
    if most >= along.x:
        return Sides(along.x, most // along.x, 1)
    return Sides(most, 1, 1)


class _Bench:
    """Where parcels are packed."""

    def __init__(self, boxes: Sequence[ShippingBox]) -> None:
        self.boxes = boxes
        self.open: list[_Open] = []
        self.unpackable: list[tuple[Goods, int]] = []
        self.later: list[Goods] = []

    def place(self, goods: Goods, quantity: int) -> None:
        """Set units into the open parcels, then into new ones of the box that takes most of them."""
        for parcel in self.open:
            if quantity and parcel.free_mm3() >= goods.volume_mm3:
                quantity -= parcel.take(goods, quantity)
        usable = [box for box in self.boxes if _fits_somehow(goods, box)]
        if not usable:
            self.unpackable.extend([(goods, quantity)] if quantity else [])
            return
        while quantity:
            parcel = _Open.of(usable[-1])
            taken = parcel.take(goods, quantity)
            self.open.append(parcel)
            quantity -= taken

    def shrink(self) -> None:
        """Put what is in each parcel into the smallest box that takes all of it."""
        for index, parcel in enumerate(self.open):
            for box in self.boxes:
                if box.volume_mm3 >= parcel.box.volume_mm3:
                    break
                smaller = _Open.of(box)
                if all(smaller.take(goods, taken) == taken for goods, taken in parcel.contents):
                    self.open[index] = smaller
                    break

    def pour(self, goods: Goods) -> None:
        """Put units in by weight, and by volume as far as it is known, wherever there is room."""
        quantity = goods.quantity
        for parcel in self.open:
            quantity -= _poured(parcel, goods, quantity)
        while quantity:
            found = max(self.boxes, key=lambda box: _most(_Open.of(box), goods, quantity))
            parcel = _Open.of(found)
            taken = _poured(parcel, goods, quantity)
            if not taken:
                self.unpackable.append((goods, quantity))
                return
            self.open.append(parcel)
            quantity -= taken

    def packing(self) -> Packing:
        """Return what was made."""
        alone = [parcel for goods, quantity in self.unpackable for parcel in _alone(goods, quantity)]
        return Packing(
            (*(parcel.parcel() for parcel in self.open), *alone),
            tuple(Loose(goods.key, quantity) for goods, quantity in self.unpackable),
        )


def _most(parcel: _Open, goods: Goods, quantity: int) -> int:
    most = min(quantity, _units_by_weight(goods, parcel.box, parcel.weight_grams))
    return min(most, parcel.free_mm3() // goods.volume_mm3) if goods.volume_mm3 else most


def _poured(parcel: _Open, goods: Goods, quantity: int) -> int:
    taken = max(0, _most(parcel, goods, quantity))
    if taken:
        parcel.loose.append(Loose(goods.key, taken))
        parcel.loose_mm3 += taken * goods.volume_mm3
        parcel.weight_grams += taken * goods.weight_grams
    return taken


def _alone(goods: Goods, quantity: int) -> Iterable[Parcel]:
    sides = None if goods.box is None else _sides(goods)
    if quantity > MAX_PACKED_UNITS:
        return [_in_no_box([goods._replace(quantity=quantity)])]
    one = Parcel(None, goods.weight_grams, goods.volume_mm3, loose=(Loose(goods.key, 1),), own_sides=sides)
    return [one] * quantity


def _in_no_box(goods: Sequence[Goods]) -> Parcel:
    return Parcel(
        None,
        sum(one.weight_grams * one.quantity for one in goods),
        sum(one.volume_mm3 * one.quantity for one in goods),
        loose=tuple(Loose(one.key, one.quantity) for one in goods),
    )
