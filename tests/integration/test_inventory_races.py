"""Stock under concurrency: real connections, real commits, nobody sold twice and nobody stuck."""

import asyncio
import random
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.inventory import Movement, StockState
from domain.kernel.ids import new_id
from persistence import inventory
from persistence.database import Database
from persistence.inventory import HoldTarget
from tests.stocked import (
    ACTOR,
    START,
    Shop,
    assert_explained,
    commit,
    expire,
    hold,
    level,
    make_shop,
    receive,
)

CONNECTIONS = 16


@pytest.fixture
async def crowd(database: Database, database_url: str) -> AsyncIterator[Database]:
    """The test's database through enough connections for a crowd."""
    crowd = Database(database_url, pool_size=CONNECTIONS)
    crowd.engine.pool._timeout = 120  # type: ignore[attr-defined]  # a crowd waits its turn
    yield crowd
    await crowd.close()


async def stocked(database: Database, **how: object) -> Shop:
    """Commit a stocked shop."""
    async with database.transaction() as connection:
        return await make_shop(connection, **how)  # type: ignore[arg-type]


async def try_hold(database: Database, shop: Shop, cart: int, *targets: HoldTarget, **how: object) -> bool:
    """Hold in a transaction of its own; rolled back when short, as the services do."""
    async with database.engine.connect() as connection, connection.begin() as transaction:
        held = await hold(connection, shop, shop.carts[cart], *targets, **how)  # type: ignore[arg-type]
        if any(line.is_short for line in held):
            await transaction.rollback()
            return False
    return True


async def test_fifty_carts_want_the_last_unit(crowd: Database) -> None:
    shop = await stocked(crowd, stock=(1,), cart_count=50)
    [variant] = shop.variants
    got = await asyncio.gather(
        *(try_hold(crowd, shop, cart, HoldTarget(new_id(), variant, 1)) for cart in range(50))
    )
    assert got.count(True) == 1
    await assert_explained(crowd)


async def test_two_hundred_holds_for_a_hundred_units_in_two_places(crowd: Database) -> None:
    shop = await stocked(crowd, stock=(60, 40), cart_count=200)
    [variant] = shop.variants
    got = await asyncio.gather(
        *(try_hold(crowd, shop, cart, HoldTarget(new_id(), variant, 1)) for cart in range(200))
    )
    assert got.count(True) == 100
    async with crowd.read() as connection:
        assert await level(connection, variant, shop.locations[0]) == {"held": 60}
        assert await level(connection, variant, shop.locations[1]) == {"held": 40}
    await assert_explained(crowd)


async def test_carts_of_many_variants_in_any_order_never_deadlock(crowd: Database) -> None:
    shop = await stocked(crowd, variant_count=8, stock=(40, 40), cart_count=24)
    chance = random.Random(20101208)

    async def shop_around(cart: int) -> None:
        lines = {variant: new_id() for variant in shop.variants}
        for _ in range(8):
            chosen = chance.sample(shop.variants, chance.randint(1, len(shop.variants)))
            targets = [HoldTarget(lines[variant], variant, chance.randint(0, 3)) for variant in chosen]
            await try_hold(crowd, shop, cart, *targets)
        async with crowd.transaction() as connection:
            if cart % 2:
                await commit(connection, shop.carts[cart], new_id())
            else:
                await hold(connection, shop, shop.carts[cart], *(HoldTarget(lines[v], v, 0) for v in lines))

    async def move_around() -> None:
        for _ in range(25):
            chosen = chance.sample(shop.variants, 4)
            moves = [
                Movement(variant, chance.choice(shop.locations), StockState.AVAILABLE, target, 1, "TEST")
                for variant in chosen
                for target in (StockState.DAMAGED, StockState.SAFETY_STOCK)
            ]
            async with crowd.transaction() as connection:
                await inventory.move(
                    connection, moves, source_kind="test", source_id=None, actor=ACTOR, now=START
                )

    # Whoever deadlocks is aborted by PostgreSQL and raises here.
    await asyncio.gather(*(shop_around(cart) for cart in range(24)), move_around(), move_around())
    await assert_explained(crowd)


async def test_expiry_races_with_holds_and_checkouts(crowd: Database) -> None:
    shop = await stocked(crowd, variant_count=3, stock=(30,), cart_count=30)
    due = START + timedelta(seconds=901)
    lines = {(cart, variant): new_id() for cart in range(30) for variant in shop.variants}
    for cart in range(30):
        targets = [HoldTarget(lines[cart, variant], variant, 1) for variant in shop.variants]
        assert await try_hold(crowd, shop, cart, *targets)

    async def sweep() -> int:
        ended = 0
        for _ in range(20):
            async with crowd.transaction() as connection:
                ended += len(await expire(connection, due, most_carts=4))
        return ended

    async def renew(cart: int) -> None:
        [variant, *_] = shop.variants
        await try_hold(crowd, shop, cart, HoldTarget(lines[cart, variant], variant, 1), now=due)

    async def check_out(cart: int) -> int:
        async with crowd.transaction() as connection:
            return sum(row.quantity for row in await commit(connection, shop.carts[cart], new_id(), due))

    work: list[Awaitable[int | None]] = [sweep(), sweep()]
    work += [renew(cart) for cart in range(10)]
    work += [check_out(cart) for cart in range(10, 30)]
    await asyncio.gather(*work)
    await assert_explained(crowd)
    async with crowd.read() as connection:
        overdue = await connection.scalar(
            text("SELECT count(*) FROM holds WHERE status = 'HELD' AND expires_at <= :due"), {"due": due}
        )
    assert overdue == 0


async def test_a_client_killed_in_its_transaction_leaves_nothing(crowd: Database, database_url: str) -> None:
    shop = await stocked(crowd, stock=(1,), cart_count=2)
    [variant] = shop.variants
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDS_AND_WAITS, database_url, str(shop.carts[0]), str(shop.channel),
        str(variant), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert client.stdout is not None
    assert await client.stdout.readline() == b"held\n"
    waiting = asyncio.create_task(try_hold(crowd, shop, 1, HoldTarget(new_id(), variant, 1)))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    killed_at = time.monotonic()
    client.send_signal(signal.SIGKILL)
    await client.wait()
    assert await waiting
    assert time.monotonic() - killed_at < 5
    await assert_explained(crowd)


_HOLDS_AND_WAITS = textwrap.dedent(
    """
    import asyncio, sys, uuid
    import asyncpg

    async def main(url, cart, channel, variant):
        connection = await asyncpg.connect(url)
        await connection.execute("BEGIN")
        await connection.execute("SELECT 1 FROM carts WHERE id = $1 FOR UPDATE", cart)
        await connection.fetch(
            "SELECT * FROM stock_hold($1, $2, ARRAY[gen_random_uuid()], ARRAY[$3::uuid], ARRAY[1],"
            " now() + interval '900 s', interval '7200 s', 'test', now())", cart, channel, variant)
        print("held", flush=True)
        await asyncio.sleep(60)

    asyncio.run(main(sys.argv[1], *(uuid.UUID(argument) for argument in sys.argv[2:])))
    """
)


async def test_new_levels_made_by_many_at_once_are_made_once(crowd: Database) -> None:
    shop = await stocked(crowd, variant_count=5, stock=(0, 0))
    [near, far] = shop.locations

    async def stock_up(turn: int) -> None:
        variants: Sequence[object] = shop.variants if turn % 2 else list(reversed(shop.variants))
        async with crowd.transaction() as connection:
            await receive(connection, variants, near if turn % 3 else far, 1)  # type: ignore[arg-type]

    await asyncio.gather(*(stock_up(turn) for turn in range(30)))
    async with crowd.read() as connection:
        assert await connection.scalar(text("SELECT sum(on_hand) FROM stock_levels")) == 150
        assert await connection.scalar(text("SELECT count(*) FROM stock_levels")) == 10
    await assert_explained(crowd)
