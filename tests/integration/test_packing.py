"""Packing by scans: only what belongs in the parcel goes in, and a closed parcel is a shipment."""

import asyncio
from uuid import uuid4

import pytest

from domain.fulfillment import FulfillmentWork
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.kernel.scan_errors import ScanRefused
from domain.orders import OrderStatus
from domain.parcels import Carriage, ParcelDraft
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services import packing, waves
from services.waves import Scan, Wanted
from tests.cart_flows import run_sql
from tests.checkouts import events, make_stocked_shop
from tests.payments import staff
from tests.shipping import check_units, hand_over, order_of, part_at, placed_order
from tests.statements import count_statements
from tests.stocked import assert_explained

POST = Carriage("Test Post", "Standard")


async def test_scanned_units_become_a_shipment_that_weighs_what_is_in_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    await run_sql(database, "UPDATE variants SET weight_grams = 250, barcode = '4006381333931'")
    order = await placed_order(database, shop=shop, quantity=3)
    context, part = staff(database), await part_at(database, order.id)
    with count_statements(database) as statements:
        bench, parcel = await packing.scan(context, part.id, None, shop.variant.sku, 1, str(uuid4()))
    assert len(statements) <= 7, statements
    assert [(one.sku, one.quantity) for one in bench.expected()] == [(shop.variant.sku, 2)]
    for _ in range(2):  # sent again: once
        await packing.scan(context, part.id, parcel.id, "4006381333931", 2, "same")
    with count_statements(database) as statements:
        closed = await packing.close(context, parcel.id, ParcelDraft({}, box="M"), None, "close")
    assert len(statements) <= 9, statements
    again = await packing.close(context, parcel.id, ParcelDraft({}, box="M"), None, "close")
    assert again.shipment.id == closed.shipment.id
    shipment = closed.shipment
    assert (shipment.carrier, shipment.size.weight_grams, shipment.box) == ("Test Post", 750, "M")
    assert [line.quantity for line in shipment.lines] == [3]
    assert (await part_at(database, order.id)).work is FulfillmentWork.LABELED
    told = [kind for kind, _ in await events(database, parcel.id)]
    assert told == ["ParcelScanned", "ParcelScanned"]
    await hand_over(context, shipment.id)
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    await check_units(database)
    await assert_explained(database)


async def test_what_does_not_belong_in_the_parcel_is_refused(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = await placed_order(database, shop=shop, quantity=2)
    context, part, sku = staff(database), await part_at(database, order.id), shop.variant.sku
    with pytest.raises(ScanRefused) as refused:
        await packing.scan(context, part.id, None, "NOPE", 1, "a")
    assert (refused.value.reason, refused.value.expected[0].quantity) == ("WRONG_ITEM", 2)
    _, parcel = await packing.scan(context, part.id, None, sku, 2, "b")
    with pytest.raises(ScanRefused) as refused:
        await packing.scan(context, part.id, None, sku, 1, "c")
    assert (refused.value.reason, refused.value.expected) == ("SURPLUS", ())
    with pytest.raises(NotFound):
        await packing.scan(context, part.id, uuid4(), sku, 1, "d")
    with pytest.raises(InvalidInput):
        await packing.scan(context, part.id, parcel.id, sku, 0, "e")
    bench = await packing.cancel(context, parcel.id, "f")
    assert [one.quantity for one in bench.expected()] == [2]
    with pytest.raises(NotFound):
        await packing.close(context, parcel.id, ParcelDraft({}), POST, "g")
    with pytest.raises(InvalidInput, match="no carrier"):
        await packing.close(context, parcel.id, ParcelDraft({}), Carriage("x", None, "nobody"), "h")


async def test_what_a_wave_is_still_picking_is_not_packed(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = await placed_order(database, shop=shop, quantity=2)
    context, part, sku = staff(database), await part_at(database, order.id), shop.variant.sku
    wave = await waves.create(context, Wanted(shop.locations[0].code), "wave")
    with pytest.raises(IllegalTransition, match="PICKING"):
        await packing.scan(context, part.id, None, sku, 1, "a")
    await waves.confirm(context, wave.id, Scan(sku, 2), None, "pick")
    _, parcel = await packing.scan(context, part.id, None, sku, 2, "b")
    closed = await packing.close(context, parcel.id, ParcelDraft({}), POST, "c")
    assert closed.shipment.status is ShipmentStatus.LABEL_CREATED


async def test_two_packers_of_one_order_never_pack_a_unit_twice(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = await placed_order(database, shop=shop, quantity=3)
    context, part = staff(database), await part_at(database, order.id)
    outcomes = await asyncio.gather(
        *(packing.scan(context, part.id, None, shop.variant.sku, 1, str(uuid4())) for _ in range(6)),
        return_exceptions=True,
    )
    packed = [one for one in outcomes if isinstance(one, tuple)]
    assert len(packed) == 3
    assert all(isinstance(one, tuple | ScanRefused) for one in outcomes), outcomes
    for _, parcel in packed:
        await packing.close(context, parcel.id, ParcelDraft({}), POST, str(uuid4()))
    await check_units(database)
