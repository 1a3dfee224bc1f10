"""Waves: what is picked together, scanned once and never twice, and given up where it is not there."""

import asyncio
from uuid import UUID, uuid4

import pytest

from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrderStatus, FulfillmentWork
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound, VersionConflict
from domain.kernel.scan_errors import ScanRefused
from domain.orders import Order, OrderStatus
from domain.waves import ShortReason, Wave, WaveStatus, pick_list
from persistence.database import Database
from services import bins, waves
from services.context import ServiceContext
from services.waves import Scan, Wanted
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, levels, make_stocked_shop
from tests.payments import staff
from tests.shipping import check_units, fulfill, part_at, parts_of, placed_order, shown
from tests.statements import count_statements
from tests.stocked import assert_explained


async def make_wave(database: Database, *quantities: int, stock: int = 20, most: int = 20) -> "Floor":
    """Place an order of each quantity, and gather them into a wave."""
    shop = await make_stocked_shop(database, stock, 5)
    orders = [await placed_order(database, shop=shop, quantity=one) for one in quantities]
    context = staff(database)
    wanted = Wanted(shop.locations[0].code, most=most)
    return Floor(context, shop, orders, await waves.create(context, wanted, str(uuid4())))


class Floor:
    """A wave and its picker."""

    def __init__(self, context: ServiceContext, shop: Shop, orders: list[Order], wave: Wave) -> None:
        self.context, self.shop, self.orders, self.wave = context, shop, orders, wave

    async def pick(self, units: int, *, key: str = "", code: str = "", bin_code: str | None = None) -> Wave:
        """Scan units of the shop's variant."""
        scan = Scan(code or self.shop.variant.sku, units, bin_code)
        return await waves.confirm(self.context, self.wave.id, scan, None, key or str(uuid4()))

    async def miss(self, units: int, part_id: UUID | None = None) -> Wave:
        """Say that units are not there."""
        scan = Scan(self.shop.variant.sku, units, None, part_id)
        return await waves.short(self.context, self.wave.id, scan, ShortReason.NOT_FOUND, None, str(uuid4()))


async def test_orders_are_gathered_oldest_first_and_picked_by_one_scan_an_item(database: Database) -> None:
    floor = await make_wave(database, 2, 3, 1, most=2)
    assert [(pick.order_number, pick.tote, pick.quantity) for pick in floor.wave.picks] == [
        (floor.orders[0].number, 1, 2),
        (floor.orders[1].number, 2, 3),
    ]
    [row] = pick_list(floor.wave.picks)
    assert (row.sku, row.quantity, row.left) == (floor.shop.variant.sku, 5, 5)
    part = await part_at(database, floor.orders[0].id)
    assert (part.status, part.work) == (FulfillmentOrderStatus.IN_PROGRESS, FulfillmentWork.PICKING)
    assert (await part_at(database, floor.orders[2].id)).work is FulfillmentWork.ALLOCATED

    with count_statements(database) as statements:
        wave = await floor.pick(1)
    assert len(statements) <= 6, statements
    assert wave.status is WaveStatus.OPEN
    with count_statements(database) as statements:
        wave = await floor.pick(1)
    assert len(statements) <= 8, statements
    assert (await part_at(database, floor.orders[0].id)).work is FulfillmentWork.PICKED
    assert (await part_at(database, floor.orders[1].id)).work is FulfillmentWork.PICKING
    wave = await floor.pick(3)
    assert wave.status is WaveStatus.PICKED
    told = [kind for kind, _ in await events(database, floor.wave.id)]
    assert told == ["WaveCreated", "WavePicked", "WavePicked", "WavePicked", "WaveCompleted"]
    told = [kind for kind, _ in await events(database, floor.orders[1].id)]
    assert told[1:] == ["FulfillmentOrderStarted", "FulfillmentOrderPicked"]
    for order in floor.orders[:2]:
        sent = await fulfill(floor.context, await part_at(database, order.id))
        assert sent.order.status is OrderStatus.COMPLETED
    await check_units(database)
    await assert_explained(database)


async def test_a_wrong_or_surplus_scan_is_refused_and_says_what_was_expected(database: Database) -> None:
    floor = await make_wave(database, 2)
    sku = floor.shop.variant.sku
    with pytest.raises(ScanRefused) as refused:
        await floor.pick(1, code="SOMETHING-ELSE")
    assert (refused.value.reason, refused.value.scanned) == ("WRONG_ITEM", "SOMETHING-ELSE")
    assert [(one.sku, one.quantity) for one in refused.value.expected] == [(sku, 2)]
    await floor.pick(1)
    with pytest.raises(ScanRefused) as refused:
        await floor.pick(2)
    assert (refused.value.reason, refused.value.expected[0].quantity) == ("SURPLUS", 1)
    with pytest.raises(InvalidInput):
        await floor.pick(0)
    for no_code in ("x" * 101, " \n"):
        with pytest.raises(InvalidInput) as unread:
            await floor.pick(1, code=no_code)
        assert unread.value.path == ("code",)
    missing = Scan("SOMETHING-ELSE")
    with pytest.raises(ScanRefused) as refused:
        await waves.short(floor.context, floor.wave.id, missing, ShortReason.NOT_FOUND, None, str(uuid4()))
    assert (refused.value.reason, refused.value.path) == ("WRONG_ITEM", ("code",))
    await floor.pick(1, code=f" {sku}\r\n")
    with pytest.raises(IllegalTransition, match="PICKED"):
        await floor.pick(1)
    with pytest.raises(NotFound):
        await waves.confirm(floor.context, uuid4(), Scan(sku), None, "key")
    with pytest.raises(VersionConflict):
        await waves.cancel(floor.context, floor.wave.id, 77, "key")


async def test_a_scan_sent_again_counts_once(database: Database) -> None:
    floor = await make_wave(database, 3)
    for _ in range(2):
        await floor.pick(1, key="same")
    wave = await floor.pick(1, key="same")
    assert [pick.picked for pick in wave.picks] == [1]


async def test_pickers_racing_for_the_last_units_never_pick_one_twice(database: Database) -> None:
    floor = await make_wave(database, 2, 2)
    outcomes = await asyncio.gather(*(floor.pick(1) for _ in range(7)), return_exceptions=True)
    assert sum(isinstance(one, Wave) for one in outcomes) == 4
    assert all(isinstance(one, Wave | ScanRefused | IllegalTransition) for one in outcomes), outcomes
    wave = await waves.get(floor.context, floor.wave.id)
    assert wave is not None
    assert [(pick.picked, pick.left) for pick in wave.picks] == [(2, 0), (2, 0)]


async def test_two_waves_made_at_once_share_no_order(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    for _ in range(4):
        await placed_order(database, shop=shop, quantity=1)
    wanted = Wanted(shop.locations[0].code, most=3)
    outcomes = await asyncio.gather(
        *(waves.create(staff(database), wanted, str(uuid4())) for _ in range(3)), return_exceptions=True
    )
    made = [one for one in outcomes if isinstance(one, Wave)]
    parts = [pick.part_id for wave in made for pick in wave.picks]
    assert len(parts) == len(set(parts)) >= 3
    assert all(isinstance(one, Wave | InvalidInput) for one in outcomes), outcomes


async def test_units_that_are_not_there_are_counted_out_and_sent_from_elsewhere(database: Database) -> None:
    floor = await make_wave(database, 2, 3, stock=6)
    await floor.pick(2)
    with count_statements(database) as statements:
        wave = await floor.miss(2)
    assert len(statements) <= 13, statements
    assert [(pick.picked, pick.short, pick.left) for pick in wave.picks] == [(2, 0, 0), (0, 2, 1)]
    assert await levels(database, floor.shop) == [(1, 0, 3), (3, 0, 2)]
    assert await shown(database, floor.orders[1].id, floor.shop) == [
        (0, "IN_PROGRESS", 1, 0),
        (1, "OPEN", 2, 0),
    ]
    wave = await floor.pick(1)
    assert wave.status is WaveStatus.PICKED
    assert (await part_at(database, floor.orders[1].id)).work is FulfillmentWork.PICKED
    for order in floor.orders:
        for part in (await parts_of(database, order.id)).fulfillment_orders:
            await fulfill(floor.context, part)
    await check_units(database)
    await assert_explained(database)


async def test_a_part_of_which_nothing_is_there_ends_and_waits_for_stock(database: Database) -> None:
    floor = await make_wave(database, 4, 4, stock=8)
    wave = await floor.miss(6)
    assert [(pick.short, pick.left) for pick in wave.picks] == [(2, 2), (4, 0)]
    assert await shown(database, floor.orders[1].id, floor.shop) == [
        (0, "INCOMPLETE", 0, 0),
        (1, "OPEN", 4, 0),
    ]
    assert await shown(database, floor.orders[0].id, floor.shop) == [
        (0, "IN_PROGRESS", 2, 0),
        (0, "ON_HOLD", 1, 1),
        (1, "OPEN", 1, 0),
    ]
    wave = await floor.pick(2)
    assert wave.status is WaveStatus.PICKED
    await check_units(database)
    await assert_explained(database)


async def test_a_canceled_wave_gives_its_orders_back_for_the_next(database: Database) -> None:
    floor = await make_wave(database, 1, 2)
    await floor.pick(1)
    wave = await waves.cancel(floor.context, floor.wave.id, None, "key")
    assert wave.status is WaveStatus.CANCELED
    assert (await part_at(database, floor.orders[0].id)).work is FulfillmentWork.PICKED
    assert (await part_at(database, floor.orders[1].id)).work is FulfillmentWork.ALLOCATED
    assert (await waves.cancel(floor.context, floor.wave.id, None, "again")).version == wave.version
    again = await waves.create(floor.context, Wanted(floor.shop.locations[0].code), "next")
    assert [pick.order_number for pick in again.picks] == [floor.orders[1].number]
    with pytest.raises(InvalidInput, match="nothing to pick"):
        await waves.create(floor.context, Wanted(floor.shop.locations[0].code), "third")


async def test_a_part_that_is_being_picked_is_not_gathered_by_name(database: Database) -> None:
    floor = await make_wave(database, 1)
    wanted = Wanted(floor.shop.locations[0].code, [floor.wave.picks[0].part_id])
    with pytest.raises(IllegalTransition) as refused:
        await waves.create(floor.context, wanted, "key")
    assert refused.value.path == ("ids", "0")


async def test_the_walk_goes_by_zone_and_position_and_a_wrong_bin_is_refused(database: Database) -> None:
    floor = await make_wave(database, 2)
    code = floor.shop.locations[0].code
    for name, zone, position in (("B-01", "B", 1), ("A-09", "A", 9)):
        await bins.save(floor.context, code, name, zone, position)
    await bins.place(
        floor.context, code, VariantRef(sku=floor.shop.variant.sku), ["A-09", "B-01"], preferred="B-01"
    )
    wave = await waves.get(floor.context, floor.wave.id)
    assert wave is not None
    [row] = pick_list(wave.picks)
    assert row.bin is not None
    assert (row.bin.code, row.bin.zone) == ("B-01", "B")
    with pytest.raises(ScanRefused) as refused:
        await floor.pick(1, bin_code="C-01")
    assert refused.value.reason == "WRONG_BIN"
    assert [one.bin for one in refused.value.expected] == ["A-09", "B-01"]
    await floor.pick(1, bin_code="A-09")


async def test_a_scan_whose_transaction_is_lost_leaves_nothing_and_can_be_sent_again(
    database: Database,
) -> None:
    floor = await make_wave(database, 1)
    await run_sql(
        database,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$",
    )
    # The connection dies in the middle: the wave is written, its order is not.
    await run_sql(
        database,
        "CREATE TRIGGER die BEFORE UPDATE ON fulfillment_orders FOR EACH ROW EXECUTE FUNCTION die()",
    )
    try:
        with pytest.raises(Exception, match=r"terminat|closed|connection"):
            await floor.pick(1, key="same")
    finally:
        await run_sql(database, "DROP FUNCTION die() CASCADE")
    wave = await waves.get(floor.context, floor.wave.id)
    assert wave is not None
    assert [pick.picked for pick in wave.picks] == [0]
    assert (await floor.pick(1, key="same")).status is WaveStatus.PICKED
