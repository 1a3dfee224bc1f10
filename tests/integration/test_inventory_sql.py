"""The stock functions, one at a time: what they move, refuse and return."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.inventory import Movement, StockState
from domain.kernel.ids import new_id
from persistence import inventory
from persistence.inventory import HoldTarget
from tests.stocked import ACTOR, START, commit, expire, hold, level, make_shop

LATER = START + timedelta(seconds=600)


async def test_a_hold_takes_the_remaining_quantity_from_the_next_location(
    connection: AsyncConnection,
) -> None:
    shop = await make_shop(connection, stock=(6, 20))
    [variant], line = shop.variants, new_id()
    [held] = await hold(connection, shop, shop.carts[0], HoldTarget(line, variant, 10))
    assert (held.present, held.is_short) == (10, False)
    assert await level(connection, variant, shop.locations[0]) == {"held": 6}
    assert await level(connection, variant, shop.locations[1]) == {"available": 16, "held": 4}


async def test_own_hold_counts_as_available_and_a_shortage_changes_nothing(
    connection: AsyncConnection,
) -> None:
    shop = await make_shop(connection, stock=(6, 20))
    [variant], line, [cart] = shop.variants, new_id(), shop.carts
    await hold(connection, shop, cart, HoldTarget(line, variant, 20))
    [short] = await hold(connection, shop, cart, HoldTarget(line, variant, 27))
    assert (short.wanted, short.present, short.is_short) == (27, 26, True)
    assert await level(connection, variant, shop.locations[1]) == {"available": 6, "held": 14}
    [held] = await hold(connection, shop, cart, HoldTarget(line, variant, 26))
    assert not held.is_short
    await hold(connection, shop, cart, HoldTarget(line, variant, 0))
    assert await level(connection, variant, shop.locations[0]) == {"available": 6}


async def test_a_variant_without_any_level_is_short(connection: AsyncConnection) -> None:
    shop = await make_shop(connection, stock=(0,))
    [short] = await hold(connection, shop, shop.carts[0], HoldTarget(new_id(), shop.variants[0], 1))
    assert (short.present, short.is_short) == (0, True)


async def test_mutations_extend_a_hold_up_to_its_maximum(connection: AsyncConnection) -> None:
    shop = await make_shop(connection, variant_count=2)
    [first, second], [cart], line = shop.variants, shop.carts, new_id()
    [held] = await hold(connection, shop, cart, HoldTarget(line, first, 1))
    assert held.expires_at == START + timedelta(seconds=900)
    await hold(connection, shop, cart, HoldTarget(new_id(), second, 1), now=LATER)
    assert await expire(connection, START + timedelta(seconds=901)) == []
    for step in range(1, 30):
        await hold(connection, shop, cart, now=START + timedelta(seconds=600 * step))
    ended = await expire(connection, START + timedelta(seconds=7201))
    assert [(hold.line_id, hold.quantity) for hold in ended] == [(line, 1)]


async def test_expired_holds_go_back_on_sale(connection: AsyncConnection) -> None:
    shop = await make_shop(connection, stock=(6, 20), cart_count=2)
    [variant], line = shop.variants, new_id()
    await hold(connection, shop, shop.carts[0], HoldTarget(line, variant, 10))
    await hold(connection, shop, shop.carts[1], HoldTarget(new_id(), variant, 3), now=LATER)
    [ended] = await expire(connection, START + timedelta(seconds=900))
    assert (ended.cart_id, ended.line_id, ended.quantity) == (shop.carts[0], line, 10)
    assert ended.sku.startswith("S0-")
    assert await level(connection, variant, shop.locations[0]) == {"available": 6}
    assert await level(connection, variant, shop.locations[1]) == {"available": 17, "held": 3}


async def test_commit_turns_holds_into_committed_stock_once(connection: AsyncConnection) -> None:
    shop = await make_shop(connection, stock=(6, 20))
    [variant], line, [cart] = shop.variants, new_id(), shop.carts
    await hold(connection, shop, cart, HoldTarget(line, variant, 10))
    committed = await commit(connection, cart, new_id())
    assert sorted((row.location_id, row.quantity) for row in committed) == [
        (shop.locations[0], 6),
        (shop.locations[1], 4),
    ]
    assert {row.line_id for row in committed} == {line}
    assert await commit(connection, cart, new_id()) == []
    assert await level(connection, variant, shop.locations[1]) == {"available": 16, "committed": 4}


async def test_moves_are_all_or_nothing_and_name_what_is_short(connection: AsyncConnection) -> None:
    shop = await make_shop(connection, stock=(6, 20))
    [variant], (near, far) = shop.variants, shop.locations
    moves = [
        Movement(variant, far, StockState.AVAILABLE, StockState.DAMAGED, 5, "DAMAGED"),
        Movement(variant, near, StockState.AVAILABLE, StockState.DAMAGED, 7, "DAMAGED"),
    ]
    [short] = await inventory.move(
        connection, moves, source_kind="adjustment", source_id=None, actor=ACTOR, now=START
    )
    assert (short.location_id, short.state, short.wanted, short.present) == (near, "available", 7, 6)
    assert await level(connection, variant, far) == {"available": 20}
