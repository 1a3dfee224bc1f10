"""Customers: signed in by the word of an app, they see their own orders, and nothing of others'."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from api.auth import Authenticator
from api.scalars import encode_id
from domain.kernel.errors import AccessDenied, NotFound
from domain.kernel.ids import new_id
from domain.orders import Order
from persistence.database import Database
from services import apps, customers, orders
from services.access import ANONYMOUS, SYSTEM, Actor, ActorKind, Permission
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, order_now, till
from tests.clocks import StoppedClock
from tests.factories import bearer, data_of, execute, make_app, make_context, make_environment, make_shop
from tests.signed_in import customer_of, session_of
from tests.statements import count_statements
from tests.stored import give_credit

VOUCH = """mutation($email: String!) { customerSessionCreate(input: {email: $email}) {
    session { customer { id email } accessToken refreshToken accessTokenExpiresAt expiresAt }
    userErrors { code path } } }"""
REFRESH = """mutation($token: String!) { customerTokenRefresh(input: {refreshToken: $token}) {
    session { accessToken refreshToken } userErrors { code path } } }"""
SIGN_OUT = """mutation($token: String!, $all: Boolean!) {
    customerSignOut(input: {refreshToken: $token, everywhere: $all}) { ended userErrors { code path } } }"""
ORDER = "query($ref: OrderRef!) { order(ref: $ref) { number note lines { sku } } }"
NODE = "query($id: ID!) { node(id: $id) { id } }"
ORDERS = """query($first: Int, $after: String) { orders(first: $first, after: $after) {
    edges { cursor node { number } } pageInfo { hasNextPage endCursor } } }"""


async def buy(database: Database, shop: Shop, email: str, **kwargs: Any) -> Order:
    """Place an order with an address, as a guest."""
    placed = await order_now(database, shop, 1, email=email, **kwargs)
    assert placed.order is not None
    return placed.order


async def actor_of(database: Database, token: str) -> Actor:
    """Return who a process that has seen nothing yet takes the holder of a token for."""
    return await Authenticator(make_environment(database)).actor(f"Bearer {token}")


async def test_an_app_signs_in_a_customer_it_knows_who_sees_what_they_bought_as_a_guest(
    database: Database,
) -> None:
    order = await buy(database, await make_stocked_shop(database, 5), "Ada@Example.com")
    app = await Authenticator(make_environment(database)).actor(
        await bearer(database, Permission.CUSTOMERS_SIGN_IN)
    )

    made = (await data_of(database, VOUCH, {"email": "ada@example.COM "}, app))["customerSessionCreate"]
    customer = await actor_of(database, made["session"]["accessToken"])

    assert made["session"]["customer"]["email"] == "ada@example.com"
    assert customer == Actor(ActorKind.CUSTOMER, customer.id)
    assert (await data_of(database, "{ me { email } }", actor=customer))["me"] == {"email": "ada@example.com"}
    for ref in ({"id": encode_id("Order", order.id)}, {"number": order.number}):
        found = (await data_of(database, ORDER, {"ref": ref}, customer))["order"]
        assert (found["number"], found["note"]) == (order.number, None)
    node = {"id": encode_id("Order", order.id)}
    assert (await data_of(database, NODE, node, customer))["node"] == node
    audit = await _audited(database)
    assert audit[-1] == (app.label, "CustomerSessionCreated", None, None)


async def _audited(database: Database) -> list[tuple[Any, ...]]:
    async with database.read() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT actor, action, before, after FROM audit_entries ORDER BY id"
        )
        return [tuple(row) for row in rows]


@pytest.mark.parametrize("permissions", [(), tuple(set(Permission) - {Permission.CUSTOMERS_SIGN_IN})])
async def test_no_other_permission_signs_a_customer_in(
    database: Database, permissions: tuple[Permission, ...]
) -> None:
    for actor in (make_app(*permissions), ANONYMOUS, await customer_of(database, "ada@example.com")):
        result = await execute(database, VOUCH, {"email": "ada@example.com"}, actor)
        assert result.errors is not None
        assert result.data == {"customerSessionCreate": None}


async def test_what_is_anothers_answers_like_what_does_not_exist(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = await buy(database, shop, "ada@example.com")
    draft = await buy(database, shop, "eve@example.com")
    await run_sql(
        database,
        "UPDATE orders SET placed = false, status = 'DRAFT', drafted_at = now() WHERE id = :id RETURNING id",
        id=draft.id,
    )
    eve = await customer_of(database, "eve@example.com")
    known = [{"id": encode_id("Order", one.id)} for one in (order, draft)]
    refs = [*known, {"number": order.number}, {"id": encode_id("Order", new_id())}, {"number": "\0"}]
    answers = []
    for ref in refs:
        with count_statements(database) as statements:
            answers.append((await data_of(database, ORDER, {"ref": ref}, eve), len(statements)))

    assert [answer for answer, _ in answers] == [{"order": None}] * 5
    assert len({count for _, count in answers}) == 1
    for one in known:
        assert (await data_of(database, NODE, {"id": one["id"]}, eve))["node"] is None
    assert (await data_of(database, ORDERS, {}, eve))["orders"]["edges"] == []
    context = till(database, eve)
    for order_id in (order.id, new_id()):
        with pytest.raises(NotFound) as missing:
            await orders.cancel(context, OrderRef(id=order_id), "mine", None, str(uuid4()))
        assert (missing.value.message, missing.value.path) == ("there is no such order", ("ref",))


async def test_a_customer_pages_through_their_own_orders_in_three_statements(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    mine = [await buy(database, shop, email) for email in ("ada@example.com", "ADA@example.com") * 2]
    await buy(database, shop, "eve@example.com")
    ada = await customer_of(database, "ada@example.com")

    found: list[str] = []
    after = None
    while True:
        with count_statements(database) as statements:
            page = (await data_of(database, ORDERS, {"first": 3, "after": after}, ada))["orders"]
        assert len(statements) <= 3, statements
        found += [edge["node"]["number"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert found == [order.number for order in reversed(mine)]
    denied = await execute(database, ORDERS, {}, ANONYMOUS)
    assert denied.errors is not None
    assert len((await data_of(database, ORDERS, {}, SYSTEM))["orders"]["edges"]) == 5


async def test_own_orders_are_found_by_the_address_and_not_by_looking_at_all(database: Database) -> None:
    await buy(database, await make_stocked_shop(database, 5), "ada@example.com")
    ada = await customer_of(database, "ada@example.com")
    await run_sql(
        database,
        """
        INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(),
               'number', 'X' || n, 'cart_id', NULL, 'email', 'u' || n || '@example.com'))).*
          FROM orders o, generate_series(1, 1000) n RETURNING id
        """,
    )
    async with database.transaction() as connection:
        await connection.exec_driver_sql("ANALYZE orders, customers")
        plan = await connection.exec_driver_sql(
            f"""
            EXPLAIN SELECT o.id FROM orders o WHERE o.placed AND lower(o.email) =
                    (SELECT own.email FROM customers own WHERE own.id = '{ada.id}')
             ORDER BY o.placed_at DESC, o.id DESC LIMIT 21
            """
        )
        text = "\n".join(row[0] for row in plan)
    assert "ix_orders_email" in text, text


async def test_a_customer_cancels_their_own_order_by_its_id(database: Database) -> None:
    order = await buy(database, await make_stocked_shop(database, 5), "ada@example.com")
    ada = till(database, await customer_of(database, "ada@example.com"))

    canceled = await orders.cancel(ada, OrderRef(id=order.id), "changed my mind", None, str(uuid4()))

    assert canceled.status.value == "CANCELED"


async def test_an_access_token_ends_by_itself_and_one_of_another_key_or_kind_is_none(
    database: Database,
) -> None:
    ada = await session_of(database, "ada@example.com")
    clock = StoppedClock(ada.access_expires_at)
    authenticator = Authenticator(make_environment(database, clock=clock))
    clock.go_on(-1)
    assert (await authenticator.actor(f"Bearer {ada.access_token}")).customer_id is not None
    clock.go_on(1)  # while it is still remembered as a good one
    wrong = ada.access_token[:-1] + ("A" if ada.access_token[-1] != "A" else "B")
    as_access = "ordertide_customer_" + ada.refresh_token.removeprefix("ordertide_refresh_")
    for token in (ada.access_token, wrong, as_access, ada.refresh_token, "ordertide_customer_", "é"):
        with pytest.raises(AccessDenied):
            await authenticator.actor(f"Bearer {token}")


async def test_a_refresh_token_is_good_once_and_shown_again_ends_its_session_alone(
    database: Database,
) -> None:
    ada, other = [await session_of(database, "ada@example.com") for _ in range(2)]
    first = await data_of(database, REFRESH, {"token": ada.refresh_token}, ANONYMOUS)
    second = await data_of(
        database, REFRESH, {"token": first["customerTokenRefresh"]["session"]["refreshToken"]}, ANONYMOUS
    )
    newest = second["customerTokenRefresh"]["session"]
    assert (await actor_of(database, newest["accessToken"])).customer_id is not None

    stolen = await data_of(database, REFRESH, {"token": ada.refresh_token}, ANONYMOUS)
    after = await data_of(database, REFRESH, {"token": newest["refreshToken"]}, ANONYMOUS)

    refused = {
        "session": None,
        "userErrors": [{"code": "SIGN_IN_REFUSED", "path": ["refreshToken"]}],
    }
    assert stolen["customerTokenRefresh"] == after["customerTokenRefresh"] == refused
    for token in (ada.access_token, newest["accessToken"]):
        with pytest.raises(AccessDenied):
            await actor_of(database, token)
    assert (await actor_of(database, other.access_token)).customer_id is not None


async def test_of_many_who_refresh_at_once_one_gets_tokens_and_the_session_ends(database: Database) -> None:
    ada = await session_of(database, "ada@example.com")
    given = {"token": ada.refresh_token}
    tried = await asyncio.gather(*(data_of(database, REFRESH, given, ANONYMOUS) for _ in range(10)))
    (got,) = [found for one in tried if (found := one["customerTokenRefresh"]["session"])]
    for token in (got["accessToken"], ada.access_token):
        with pytest.raises(AccessDenied):
            await actor_of(database, token)


async def test_a_token_costs_one_statement_to_check_and_three_to_refresh(
    database: Database,
) -> None:
    ada = await session_of(database, "ada@example.com")
    authenticator = Authenticator(make_environment(database))
    with count_statements(database) as statements:
        for _ in range(3):
            await authenticator.actor(f"Bearer {ada.access_token}")
    assert len(statements) <= 1, statements
    with count_statements(database) as statements:
        await customers.refresh(make_context(database, ANONYMOUS), ada.refresh_token)
    assert len(statements) <= 3, statements


async def test_a_session_ends_with_its_time_however_often_it_is_refreshed(database: Database) -> None:
    ada = await session_of(database, "ada@example.com")
    clock = StoppedClock(ada.session.expires_at)
    clock.go_on(-60)
    again = await customers.refresh(make_context(database, ANONYMOUS, clock=clock), ada.refresh_token)
    assert again.session.expires_at == ada.session.expires_at
    assert again.access_expires_at == ada.session.expires_at.replace(microsecond=0)
    clock.go_on(60)
    late = await data_of(database, REFRESH, {"token": again.refresh_token}, ANONYMOUS, clock=clock)
    assert late["customerTokenRefresh"]["session"] is None
    clock.go_on(31 * 24 * 3600)
    assert await customers.forget_old(make_context(database, clock=clock)) == 1


async def test_who_signs_out_has_no_session_any_more_and_everywhere_means_every_device(
    database: Database,
) -> None:
    one, two, three = [await session_of(database, "ada@example.com") for _ in range(3)]
    eve = await session_of(database, "eve@example.com")

    async def sign_out(token: str, *, everywhere: bool = False) -> Any:
        given = {"token": token, "all": everywhere}
        return (await data_of(database, SIGN_OUT, given, ANONYMOUS))["customerSignOut"]

    assert await sign_out(one.refresh_token) == {"ended": 1, "userErrors": []}
    assert await sign_out(one.refresh_token) == {"ended": 0, "userErrors": []}
    for unknown in (await sign_out("x"), await sign_out(one.refresh_token, everywhere=True)):
        assert unknown["userErrors"] == [{"code": "SIGN_IN_REFUSED", "path": ["refreshToken"]}]
    assert await sign_out(two.refresh_token, everywhere=True) == {"ended": 2, "userErrors": []}
    for signed_in in (one, two, three):
        with pytest.raises(AccessDenied):
            await actor_of(database, signed_in.access_token)
    assert (await actor_of(database, eve.access_token)).customer_id is not None


async def test_what_a_revoked_app_vouched_for_is_worth_nothing(database: Database) -> None:
    authorization = await bearer(database, Permission.CUSTOMERS_SIGN_IN)
    app = await Authenticator(make_environment(database)).actor(authorization)
    assert app.id is not None
    ada = await customers.vouch(make_context(database, app), "ada@example.com")
    await apps.revoke(make_context(database), app.id)

    with pytest.raises(AccessDenied):
        await actor_of(database, ada.access_token)
    refused = await data_of(database, REFRESH, {"token": ada.refresh_token}, ANONYMOUS)
    assert refused["customerTokenRefresh"]["session"] is None


@pytest.mark.parametrize("email", ["", "no address", "a@b", "x" * 300 + "@example.com", "\0@example.com"])
async def test_an_address_that_is_none_is_said_to_be(database: Database, email: str) -> None:
    made = (await data_of(database, VOUCH, {"email": email}))["customerSessionCreate"]
    assert made["userErrors"] == [{"code": "INVALID_INPUT", "path": ["email"]}]


CREDIT = """mutation($cart: String!, $email: String!) { cartStoreCreditApply(input: {cartToken: $cart,
    email: $email}) { cart { totals { total { amount } } } userErrors { code path } } }"""
MY_CREDIT = "{ me { storeCredit { amount currency } } }"


async def test_a_customer_spends_their_own_store_credit_and_nobody_elses(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 1, email="ada@example.com")
    await give_credit(database, "Ada@example.com", "12.50")
    await give_credit(database, "bob@example.com", "99")
    ada, eve = [await customer_of(database, f"{name}@example.com") for name in ("ada", "eve")]
    refused = {"cart": None, "userErrors": [{"code": "NOT_FOUND", "path": ["email"]}]}

    for actor, email in ((ada, "bob@example.com"), (eve, "ada@example.com"), (eve, "eve@example.com")):
        given = {"cart": token, "email": email}
        assert (await data_of(database, CREDIT, given, actor))["cartStoreCreditApply"] == refused
    given = {"cart": token, "email": "ADA@example.com"}
    applied = (await data_of(database, CREDIT, given, ada))["cartStoreCreditApply"]

    assert applied["userErrors"] == []
    mine = [(await data_of(database, MY_CREDIT, actor=one))["me"]["storeCredit"] for one in (ada, eve)]
    assert mine == [[{"amount": "12.50", "currency": "USD"}], []]


async def test_a_customers_cart_has_their_address_unless_they_say_another(database: Database) -> None:
    shop = await make_shop(database, stock=5)
    ada = await customer_of(database, "Ada@example.com")
    document = """mutation($input: CartCreateInput!) { cartCreate(input: $input) { cart { email } } }"""
    for given, actor, email in (
        ({}, ada, "ada@example.com"),
        ({"email": "gift@example.com"}, ada, "gift@example.com"),
        ({}, ANONYMOUS, None),
    ):
        given = {"channel": shop.channel.slug, **given}
        made = (await data_of(database, document, {"input": given}, actor))["cartCreate"]
        assert made["cart"] == {"email": email}
