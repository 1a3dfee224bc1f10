"""Packing: known goods make known parcels."""

from uuid import UUID

from domain.boxes import ShippingBox
from domain.cartonization import MAX_PACKED_UNITS, Goods, Loose, pack
from domain.catalog import Box
from domain.shipments import ParcelSize

SMALL = ShippingBox(UUID(int=1), "S", 200, 150, 100, own_weight_grams=80, max_weight_grams=5_000)
LARGE = ShippingBox(UUID(int=2), "L", 400, 300, 200, own_weight_grams=250, max_weight_grams=20_000)
BOXES = (SMALL, LARGE)
BRICK = Box(100, 50, 50)


def test_what_fits_goes_into_the_smallest_box() -> None:
    (parcel,) = pack((Goods("brick", 12, 100, BRICK),), BOXES).parcels
    assert parcel.box == SMALL
    assert parcel.size == ParcelSize(1_280, 200, 150, 100)


def test_one_unit_too_many_takes_a_larger_box() -> None:
    assert [one.box for one in pack((Goods("brick", 13, 100, BRICK),), BOXES).parcels] == [LARGE]


def test_a_full_box_is_followed_by_another() -> None:
    packed = pack((Goods("brick", 97, 1, BRICK),), BOXES)
    assert [one.box for one in packed.parcels] == [LARGE, SMALL]


def test_a_box_takes_no_more_than_it_may_weigh() -> None:
    packed = pack((Goods("lead", 5, 6_000, BRICK),), BOXES)
    assert [one.weight_grams for one in packed.parcels] == [18_250, 12_250]


def test_a_long_thing_is_turned() -> None:
    (parcel,) = pack((Goods("ruler", 1, 50, Box(20, 20, 390)),), BOXES).parcels
    assert parcel.box == LARGE


def test_what_fits_no_box_is_a_parcel_of_its_own_and_told() -> None:
    packed = pack((Goods("ski", 2, 3_000, Box(1_800, 100, 50)), Goods("anvil", 1, 40_000, BRICK)), BOXES)
    assert packed.unpackable == (Loose("ski", 2), Loose("anvil", 1))
    assert [one.size for one in packed.parcels] == [
        ParcelSize(3_000, 1_800, 100, 50),
        ParcelSize(3_000, 1_800, 100, 50),
        ParcelSize(40_000, 100, 50, 50),
    ]


def test_what_nobody_measured_is_put_in_by_weight() -> None:
    packed = pack((Goods("brick", 1, 100, BRICK), Goods("mug", 4, 1_000)), BOXES)
    (parcel,) = packed.parcels
    assert (parcel.box, parcel.weight_grams) == (SMALL, 4_180)
    assert pack((Goods("mug", 5, 6_000),), BOXES).billable_grams() == 30_000 + 2 * 250
    assert pack((Goods("mug", 1, 30_000),), BOXES).unpackable == (Loose("mug", 1),)


def test_without_boxes_everything_is_one_parcel_of_its_weight() -> None:
    packed = pack((Goods("brick", 3, 100, BRICK), Goods("mug", 2, 300)), ())
    assert [one.size for one in packed.parcels] == [ParcelSize(900)]
    assert pack((), BOXES).parcels == ()


def test_space_is_charged_where_it_would_weigh_more() -> None:
    feathers = pack((Goods("feathers", 1, 100, Box(190, 140, 90)),), BOXES)
    assert feathers.billable_grams() == 180
    assert feathers.billable_grams(5_000) == 600
    assert feathers.billable_grams(4_999) == 601  # what is begun counts
    assert pack((Goods("lead", 1, 4_000, BRICK),), BOXES).billable_grams(5_000) == 4_080


def test_space_is_charged_without_boxes_too() -> None:
    assert pack((Goods("brick", 3, 1, BRICK),), ()).billable_grams(5_000) == 150


def test_a_truckload_is_packed_by_weight_and_volume() -> None:
    packed = pack((Goods("brick", MAX_PACKED_UNITS + 1, 10, BRICK),), BOXES)
    assert packed.unpackable == ()
    assert sum(loose.quantity for one in packed.parcels for loose in one.loose) == MAX_PACKED_UNITS + 1
    assert len(packed.parcels) == 11  # 96 bricks fill a large box
