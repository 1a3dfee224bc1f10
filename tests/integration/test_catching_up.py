"""Catching up on the past: it leaves the database and the others room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from sqlalchemy.pool import QueuePool

from domain.kernel.events import Event
from persistence.database import Database
from realtime.hub import CATCHING_UP_AT_ONCE
from services.access import Permission
from tests import cart_flows as flow
from tests.factories import bearer, make_context, make_shop
from tests.in_process import Wire, processes

DOCUMENT = """subscription ($after: String) {
    cartEvents(after: $after) { cursor cart { id lines { quantity } } } }"""
EVENTS = 300
SUBSCRIPTIONS = 100


@pytest.fixture
async def history(database: Database) -> list[int]:
    """Many events of a cart; returns the sequences after which a client may resume."""
    shop = await make_shop(database, stock=1)
    await flow.create(database, shop, 1)
    (cart,) = await flow.run_sql(database, "SELECT id FROM carts")
    async with make_context(database).transaction() as transaction:
        for _ in range(EVENTS):
            transaction.emit(Event("Happened", "cart", cart.id, 1, datetime.now(UTC)))
    return list(range(SUBSCRIPTIONS))


@pytest.fixture
async def roomy(database_url: str) -> AsyncIterator[Database]:
    """The same database with more connections than anything should use at once."""
    database = Database(database_url, pool_size=3 * CATCHING_UP_AT_ONCE)
    yield database
    await database.close()


async def test_who_resumes_from_many_cursors_waits_for_themselves(
    database: Database, roomy: Database, history: list[int]
) -> None:
    many, one = await bearer(database, Permission.CARTS_READ), await bearer(database, Permission.CARTS_READ)
    most_connections = 0
    async with AsyncExitStack() as stack:
        (process,) = await stack.enter_async_context(processes(roomy))
        greedy = await stack.enter_async_context(process.connected(many))
        modest = await stack.enter_async_context(process.connected(one))
        for sequence in history:
            resume(greedy, DOCUMENT, process.feed.epoch.hex, sequence)
        await greedy.has(1)
        # Another document: who resumes as somebody else does shares their run, and their turns.
        resume(modest, f"{DOCUMENT} ", process.feed.epoch.hex, 0)
        pool = roomy.engine.pool
        assert isinstance(pool, QueuePool)
        while len(modest.messages) < EVENTS:
            most_connections = max(most_connections, pool.checkedout())
            await asyncio.sleep(0.001)
        taken = len(greedy.messages)

    # It had every other turn; without them it would have had one in a hundred.
    assert taken < 10 * EVENTS
    # And the feed's own look at the table.
    assert most_connections <= CATCHING_UP_AT_ONCE + 1


def resume(client: Wire, document: str, epoch: str, sequence: int) -> None:
    client.subscribe(str(sequence), document, {"after": f"{epoch}{sequence:016x}"})
