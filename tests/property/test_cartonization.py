"""Whatever is packed: nothing overlaps, nothing sticks out, nothing is too heavy, and nothing is lost."""

import time
from collections import Counter
from itertools import combinations, product
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.boxes import ShippingBox
from domain.cartonization import MAX_PACKED_UNITS, Block, Goods, Loose, Packing, Parcel, Sides, pack
from domain.catalog import Box

SIDES = st.integers(1, 60)
GOODS = st.lists(
    st.tuples(st.integers(1, 25), st.integers(0, 900), st.none() | st.builds(Box, SIDES, SIDES, SIDES)),
    max_size=8,
).map(lambda kinds: tuple(Goods(f"SKU-{number}", *kind) for number, kind in enumerate(kinds)))
BOXES = st.lists(
    st.tuples(SIDES, SIDES, SIDES, st.integers(0, 50), st.none() | st.integers(51, 3_000)), max_size=4
).map(lambda made: tuple(ShippingBox(UUID(int=number), str(number), *box) for number, box in enumerate(made)))


def cells(block: Block) -> list[tuple[Sides, Sides]]:
    """Return where each unit of a block begins and ends."""
    found = []
    for steps in product(*(range(count) for count in block.counts)):
        begin = Sides(*(at + side * step for at, side, step in zip(block.at, block.unit, steps, strict=True)))
        end = Sides(*(at + side for at, side in zip(begin, block.unit, strict=True)))
        found.append((begin, end))
    return found


def overlap(one: tuple[Sides, Sides], other: tuple[Sides, Sides]) -> bool:
    return all(
        a_begin < b_end and b_begin < a_end
        for a_begin, a_end, b_begin, b_end in zip(*one, *other, strict=True)
    )


def contents(parcel: Parcel) -> list[Block | Loose]:
    """Return what is in a parcel, in space and by weight."""
    found: list[Block | Loose] = [*parcel.blocks]
    return [*found, *parcel.loose]


def count(packed: Packing) -> Counter[str]:
    """Return how many units of each kind are in parcels."""
    units: Counter[str] = Counter()
    for parcel in packed.parcels:
        for one in contents(parcel):
            units[one.key] += one.quantity
    return units


@settings(max_examples=300, deadline=None)
@given(GOODS, BOXES)
def test_every_unit_is_in_a_parcel_once(goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...]) -> None:
    assert count(pack(goods, boxes)) == Counter({one.key: one.quantity for one in goods})


@settings(max_examples=200, deadline=None)
@given(GOODS, BOXES)
def test_nothing_overlaps_and_nothing_sticks_out(
    goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...]
) -> None:
    for parcel in pack(goods, boxes).parcels:
        units = [cell for block in parcel.blocks for cell in cells(block)]
        assert not any(overlap(one, other) for one, other in combinations(units, 2))
        if parcel.box is not None:
            inner = Sides(parcel.box.length_mm, parcel.box.width_mm, parcel.box.height_mm)
            assert all(max(0, at) == at and end <= room for begin, ends in units
                       for at, end, room in zip(begin, ends, inner, strict=True))  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(GOODS, BOXES)
def test_a_unit_keeps_its_measures_however_it_is_turned(
    goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...]
) -> None:
    measures = {one.key: one.box for one in goods}
    for block in (block for parcel in pack(goods, boxes).parcels for block in parcel.blocks):
        box = measures[block.key]
        assert box is not None
        assert sorted(block.unit) == sorted((box.length_mm, box.width_mm, box.height_mm))


@settings(max_examples=200, deadline=None)
@given(GOODS, BOXES)
def test_a_parcel_weighs_what_is_in_it_and_no_more_than_its_box_may(
    goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...]
) -> None:
    weight_of = {one.key: one.weight_grams for one in goods}
    for parcel in pack(goods, boxes).parcels:
        inside = sum(weight_of[one.key] * one.quantity for one in contents(parcel))
        own = 0 if parcel.box is None else parcel.box.own_weight_grams
        assert parcel.weight_grams == inside + own
        if parcel.box is not None and parcel.box.max_weight_grams is not None:
            assert parcel.weight_grams <= parcel.box.max_weight_grams


@settings(max_examples=150, deadline=None)
@given(GOODS, BOXES)
def test_only_what_fits_no_box_is_told_as_unpackable(
    goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...]
) -> None:
    told = {one.key: one.quantity for one in pack(goods, boxes).unpackable}
    for one in goods:
        alone = pack((one._replace(quantity=1),), boxes)
        assert (one.key in told) is bool(alone.unpackable)
        assert told.get(one.key, one.quantity) == one.quantity


@settings(max_examples=50, deadline=None)
@given(GOODS, BOXES, st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_makes_no_difference(
    goods: tuple[Goods, ...], boxes: tuple[ShippingBox, ...], random: object
) -> None:
    shuffled = list(boxes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pack(goods, tuple(shuffled)) == pack(goods, boxes)


def test_a_thousand_units_of_many_kinds_are_packed_quickly() -> None:
    kinds = 250
    goods = tuple(
        Goods(
            f"SKU-{n}",
            MAX_PACKED_UNITS // kinds,
            50 + n * 7 % 1_900,
            Box(20 + n * 37 % 230, 20 + n * 53 % 230, 20 + n * 71 % 230),
        )
        for n in range(kinds)
    )
    sizes = ((200, 150, 100), (300, 200, 150), (400, 300, 200), (600, 400, 400))
    boxes = tuple(ShippingBox(UUID(int=n), str(n), *size, 100, 20_000) for n, size in enumerate(sizes))
    begun = time.process_time()
    packed = pack(goods, boxes)
    assert time.process_time() - begun < 2
    assert count(packed).total() == MAX_PACKED_UNITS
    filled = sum(one.volume_mm3 * one.quantity for one in goods) / sum(
        one.volume_mm3 for one in packed.parcels
    )
    assert filled > 0.5
