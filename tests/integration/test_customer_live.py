"""What customers follow: their own orders, returns and parcels, as long as they are signed in."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from api.auth import Authenticator
from api.scalars import encode_id
from domain.customers import SignInPolicy
from domain.kernel.errors import AccessDenied
from domain.kernel.sign_in_errors import SignInRefused
from domain.orders import Order
from persistence.database import Database
from services import apps, customers
from services.access import Permission
from services.customers import SignedIn
from tests.checkouts import make_stocked_shop
from tests.factories import bearer, make_context, make_environment
from tests.feeds import last_cursor
from tests.in_process import Wire, processes
from tests.integration.test_revocation import SlowToTell
from tests.notices import tell
from tests.sent_back import arrived_order, ask_for, let_return
from tests.signed_in import session_of
from tests.statements import count_statements
from tests.waiting import until

FOLLOWED = {
    "order": """subscription($ref: OrderRef!, $after: String) {
        orderUpdated(ref: $ref, after: $after) { kind order { number } } }""",
    "return": """subscription($ref: OrderRef!, $after: String) {
        returnUpdated(ref: $ref, after: $after) { kind return { status } } }""",
    "shipment": """subscription($ref: OrderRef, $after: String) {
        shipmentUpdated(ref: $ref, after: $after) { kind version } }""",
}


def bearer_of(signed_in: SignedIn) -> str:
    return f"Bearer {signed_in.access_token}"


def follow(client: Wire, order: Order, after: str, *names: str) -> None:
    """Follow an order, named by its id, in these ways."""
    for name in names:
        given = {"ref": {"id": encode_id("Order", order.id)}, "after": after}
        client.subscribe(name, FOLLOWED[name], given)


async def kinds(client: Wire, count: int) -> list[tuple[str, str]]:
    """Return what the next messages tell: what was followed, and the event's kind."""
    found = []
    for _ in range(count):
        message: Any = await client.message()
        assert message["type"] == "next", message
        (event,) = message["payload"]["data"].values()
        found.append((message["id"], event["kind"]))
    return sorted(found)


async def test_a_customer_follows_their_own_orders_returns_and_parcels_and_nobody_elses(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    mine = await arrived_order(database, 2, shop=shop, email="ada@example.com")
    eves = await arrived_order(database, 2, shop=shop, email="eve@example.com")
    ada, at_home = [bearer_of(await session_of(database, "ada@example.com")) for _ in range(2)]
    eve = bearer_of(await session_of(database, "eve@example.com"))
    async with (
        processes(database) as (process,),
        process.connected(ada) as phone,
        process.connected(at_home) as laptop,
        process.connected(eve) as other,
    ):
        now = await last_cursor(database)
        follow(phone, mine, now, *FOLLOWED)
        follow(laptop, mine, now, "order")
        follow(other, eves, now, "order")
        # The same document and order, asked for by another customer.
        follow(other, mine, now, "return", "shipment")
        for _ in range(2):
            refused = await other.message()
            assert refused["type"] == "error", refused
            assert refused["payload"][0]["message"] == "there is no such order"
        # Two devices of one customer share a run, two customers none; returns are everybody's own.
        await until(lambda: process.hub.live_streams == 3)
        found = await ask_for(database, mine)
        parcel = {"shipmentId": "00000000-0000-0000-0000-000000000000"}
        await tell(database, mine, "ShipmentDelayed", parcel)
        told = await kinds(phone, 8)
        assert [kind for name, kind in told if name == "return"] == [
            "ReturnApproved",
            "ReturnReadyToSend",
            "ReturnRequested",
        ], (told, found.status)
        assert len([kind for name, kind in told if name == "order"]) == 4
        assert len(await kinds(laptop, 4)) == 4
        assert other.messages == []


async def test_a_connection_ends_with_its_access_token(database: Database) -> None:
    context = make_context(database, sign_in=SignInPolicy(access_seconds=1.5))
    short = await customers.vouch(context, "ada@example.com")
    async with processes(database) as (process,), process.connected(bearer_of(short)) as client:
        assert await client.end() == 4403
        assert 0 <= time.time() - short.access_expires_at.timestamp() < 1
        again = Wire(process.transport, bearer_of(short))
        assert not await again.acknowledged()
        await again.leave()


async def test_who_signs_out_is_told_nothing_more_and_their_other_devices_go_on(database: Database) -> None:
    order = await arrived_order(database, 2, email="ada@example.com")
    phone, laptop, stolen = [await session_of(database, "ada@example.com") for _ in range(3)]
    async with (
        processes(database, 2) as (here, there),
        here.connected(bearer_of(phone)) as leaves,
        there.connected(bearer_of(laptop)) as stays,
        there.connected(bearer_of(stolen)) as thief,
    ):
        now = await last_cursor(database)
        for client in (leaves, stays, thief):
            follow(client, order, now, "order")
        await tell(database, order, "OrderNoted")
        for client in (leaves, stays, thief):
            assert await kinds(client, 1) == [("order", "OrderNoted")]
        context = make_context(database)
        await customers.sign_out(context, phone.refresh_token)
        again = await customers.refresh(context, stolen.refresh_token)
        for token in (stolen.refresh_token, again.refresh_token):
            with pytest.raises(SignInRefused):
                await customers.refresh(context, token)
        await tell(database, order, "OrderNoted")
        assert await kinds(stays, 1) == [("order", "OrderNoted")]
        for client in (leaves, thief):
            assert await client.end() == 4403
            assert client.messages == []
        assert stays.closed is None


async def test_an_order_that_is_another_customers_now_is_followed_no_more(database: Database) -> None:
    order = await arrived_order(database, 2, email="ada@example.com")
    ada = await session_of(database, "ada@example.com")
    async with processes(database) as (process,), process.connected(bearer_of(ada)) as client:
        follow(client, order, await last_cursor(database), *FOLLOWED)
        await until(lambda: process.hub.live_streams == 2)
        async with database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE orders SET email = 'eve@example.com'")
        await tell(database, order, "OrderNoted")
        await tell(database, order, "ReturnRequested", {"returnId": "00000000-0000-0000-0000-000000000000"})
        await tell(database, order, "ShipmentDelayed", {"shipmentId": str(order.id)})
        ended = [await client.message() for _ in range(3)]
        assert {message["type"] for message in ended} == {"error"}, ended


async def test_what_a_revoked_app_vouched_for_is_followed_no_more_and_the_rest_is(database: Database) -> None:
    order = await arrived_order(database, 2, email="ada@example.com")
    app = await Authenticator(make_environment(database)).actor(
        await bearer(database, Permission.CUSTOMERS_SIGN_IN)
    )
    assert app.id is not None
    vouched = await customers.vouch(make_context(database, app), "ada@example.com")
    own = await session_of(database, "ada@example.com")
    async with (
        processes(database) as (process,),
        process.connected(bearer_of(vouched)) as ends,
        process.connected(bearer_of(own)) as stays,
    ):
        now = await last_cursor(database)
        for client in (ends, stays):
            follow(client, order, now, "order")
        await apps.revoke(make_context(database), app.id)
        await tell(database, order, "OrderNoted")
        assert await kinds(stays, 1) == [("order", "OrderNoted")]
        assert await ends.end() == 4403
        assert ends.messages == []
        again = Wire(process.transport, bearer_of(vouched))
        assert not await again.acknowledged(), "though it was found good a moment ago"
        await again.leave()


async def test_a_token_whose_session_ends_while_it_is_looked_up_is_not_trusted(database: Database) -> None:
    ada = await session_of(database, "ada@example.com")
    slow = SlowToTell(database)
    authenticator = Authenticator(make_environment(slow))
    asking = asyncio.create_task(authenticator.actor(bearer_of(ada)))
    await asyncio.wait_for(slow.has_read.wait(), 10)
    await customers.sign_out(make_context(database), ada.refresh_token)
    authenticator.forget_session(ada.session.id)
    slow.may_tell.set()
    with pytest.raises(AccessDenied):
        await asking


async def test_looking_at_many_customers_again_costs_a_statement_or_two(database: Database) -> None:
    tokens = [bearer_of(await session_of(database, f"u{number}@example.com")) for number in range(30)]
    async with processes(database) as (process,), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(process.connected(token)) for token in tokens]
        async with database.transaction() as connection:
            await connection.exec_driver_sql(
                "UPDATE customer_sessions SET ended_at = now() WHERE customer_id ="
                " (SELECT id FROM customers WHERE email = 'u7@example.com')"
            )
        process.authenticator.forget_everything()
        with count_statements(database) as statements:
            assert await process.registry.recheck()
        assert await clients[7].end() == 4403
        assert [client.closed for client in clients].count(None) == 29
    assert len([one for one in statements if "customer_sessions" in one]) <= 2, statements
