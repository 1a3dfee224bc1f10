"""Credentials that are taken away, with connections open: in every process, and what a process may miss."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from api.auth import Authenticator
from api.rate_limit import RateLimiter
from domain.kernel.errors import AccessDenied
from persistence.database import Database
from services import apps
from services.access import Permission
from tests import cart_flows as flow
from tests.factories import Shop, make_context, make_environment, make_shop
from tests.feeds import cart_cursors, first_cursor
from tests.in_process import Wire, processes, wired
from tests.live import live

CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor kind cart { id } } }"


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_shop(database, stock=100)


async def make_credentials(database: Database, *permissions: Permission) -> tuple[UUID, str]:
    """Create an app; return its id and how it authorizes itself."""
    context = make_context(database)
    known = {app.id for app in await apps.list_all(context)}
    token = await apps.create(context, "staff", [one.value for one in permissions])
    (app_id,) = {app.id for app in await apps.list_all(context)} - known
    return app_id, f"Bearer {token}"


def cursors(client: Wire) -> list[str]:
    assert all(message["type"] == "next" for message in client.messages), client.messages
    return [message["payload"]["data"]["cartEvents"]["cursor"] for message in client.messages]


async def test_a_revoked_app_gets_no_later_event_in_any_process(database: Database, shop: Shop) -> None:
    revoked_id, revoked = await make_credentials(database, Permission.CARTS_READ)
    _, kept = await make_credentials(database, Permission.CARTS_READ)
    async with (
        processes(database, 2) as (here, there),
        here.connected(revoked) as revoked_here,
        there.connected(revoked) as revoked_there,
        here.connected(kept) as kept_here,
        there.connected(kept) as kept_there,
    ):
        everyone = (revoked_here, revoked_there, kept_here, kept_there)
        for client in everyone:
            client.subscribe("1", CARTS)
        await flow.create(database, shop, 1)
        before = await cart_cursors(database)
        for client in everyone:
            await client.has(len(before))
        # One after the other, and nobody waits for anything in between.
        await apps.revoke(make_context(database), revoked_id)
        await flow.create(database, shop, 1)
        after = await cart_cursors(database)
        for client in (kept_here, kept_there):
            await client.has(len(after))
            assert cursors(client) == after
            assert client.closed is None
        for client in (revoked_here, revoked_there):
            assert await client.end() == 4403
            assert cursors(client) == before
        assert here.hub.live_streams == there.hub.live_streams == 1, "they shared one run, which goes on"


async def test_who_catches_up_is_shown_nothing_that_their_process_has_not_heard_of(
    database: Database, shop: Shop
) -> None:
    app_id, authorization = await make_credentials(database, Permission.CARTS_READ)
    start = await first_cursor(database)
    await flow.create(database, shop, 1)
    async with processes(database, 2) as (_, behind), behind.connected(authorization) as client:
        before = await cart_cursors(database)
        await behind.feed.stop()
        await apps.revoke(make_context(database), app_id)
        await flow.create(database, shop, 1)
        assert len(await cart_cursors(database)) > len(before)
        # From before what the process has in memory, so that it reads the table, which has everything.
        client.subscribe("1", CARTS, {"after": start})
        await client.has(len(before))
        await asyncio.sleep(0.1)
        assert cursors(client) == before


async def test_a_process_that_missed_events_looks_at_all_credentials_at_once(
    database: Database, shop: Shop
) -> None:
    _, kept = await make_credentials(database, Permission.CARTS_READ)
    revoked_id, revoked = await make_credentials(database, Permission.CARTS_READ)
    changed_id, changed = await make_credentials(database, Permission.CARTS_READ, Permission.ORDERS_READ)
    async with (
        processes(database) as (process,),
        process.connected(revoked) as revoked_client,
        process.connected(changed) as changed_client,
        process.connected(kept) as kept_client,
    ):
        # Without an event, as if it were among those missed.
        await flow.run_sql(database, "UPDATE apps SET revoked_at = now() WHERE id = :id", id=revoked_id)
        await flow.run_sql(database, "UPDATE apps SET permissions = '{}' WHERE id = :id", id=changed_id)
        await flow.run_sql(database, "UPDATE feed_head SET epoch = gen_random_uuid()")
        # Long before they would be looked at anyway, and though all were found good a moment ago.
        assert await revoked_client.end() == 4403
        assert await changed_client.end() == 1012
        assert kept_client.closed is None
        again = Wire(process.transport, revoked)
        assert not await again.acknowledged()
        await again.leave()


async def test_asking_too_often_saves_no_connection_from_losing_its_permissions(database: Database) -> None:
    app_id, authorization = await make_credentials(database, Permission.CARTS_READ)
    async with live(database) as feed:
        process = wired(database, feed, RateLimiter(0.001, 1))
        async with process.connected(authorization) as client:
            await flow.run_sql(database, "UPDATE apps SET permissions = '{}'")
            process.authenticator.forget(app_id)
            assert await process.registry.recheck()
            assert await client.end() == 1012


async def test_a_token_revoked_while_it_is_looked_up_is_not_trusted(database: Database) -> None:
    app_id, authorization = await make_credentials(database, Permission.CARTS_READ)
    slow = SlowToTell(database)
    authenticator = Authenticator(make_environment(slow))
    asking = asyncio.create_task(authenticator.actor(authorization))
    await asyncio.wait_for(slow.has_read.wait(), 10)
    await apps.revoke(make_context(database), app_id)
    authenticator.forget(app_id)
    slow.may_tell.set()
    with pytest.raises(AccessDenied):
        await asking


class SlowToTell(Database):
    """The same database, on a machine that is busy between reading something and using it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.has_read = asyncio.Event()
        self.may_tell = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        async with self._database.read() as connection:
            yield connection
        self.has_read.set()
        await self.may_tell.wait()
