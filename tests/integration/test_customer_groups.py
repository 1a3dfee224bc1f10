"""Delivery that is free for some customers from another value than for others."""

from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.kernel.errors import InvalidInput
from persistence.database import Database
from services import shipping
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from services.order_placement import place
from services.shipping import RateChanges
from tests import cart_flows as flow
from tests import factories
from tests.checkouts import till
from tests.delivery import GERMAN, amount, make_rate, option_id, prices
from tests.factories import Shop, make_app, make_context, make_shop

SET = f"""mutation ($input: CartCustomerGroupSetInput!) {{
    cartCustomerGroupSet(input: $input) {{
        cart {{ customerGroup deliveryOptions {{ price {{ amount }} }} }} userErrors {flow.ERRORS} }} }}"""
STOREFRONT = make_app(Permission.CUSTOMER_GROUPS_ASSIGN)


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with a hundred units at 10.00, and no rate but those a test makes."""
    made = await make_shop(database, stock=100)
    await flow.run_sql(database, "UPDATE delivery_rates SET archived_at = now() RETURNING id")
    return made


async def assign(
    database: Database, token: str, group: str | None, actor: Actor = STOREFRONT
) -> dict[str, Any]:
    given = {"cartToken": token, "customerGroup": group}
    return dict((await factories.data_of(database, SET, {"input": given}, actor))["cartCustomerGroupSet"])


async def test_delivery_is_free_for_a_group_from_its_own_value(database: Database, shop: Shop) -> None:
    await make_rate(
        database,
        shop,
        "4.90",
        free_from=amount(shop, "50.00"),
        free_for_groups=[("members", amount(shop, "20.00")), ("trade", amount(shop, "90.00"))],
    )
    created = await flow.create(database, shop, 2)
    token = created["cartToken"]
    assert prices(created["cart"]) == ["4.90"]
    expected = {"members": ["0.00"], "trade": ["4.90"], "unheard-of": ["4.90"], None: ["4.90"]}
    for group, there in expected.items():
        cart = (await assign(database, token, group))["cart"]
        assert (cart["customerGroup"], prices(cart)) == (group, there)
    line = created["cart"]["lines"][0]["id"]
    await flow.update_line(database, token, line, 6)
    assert prices((await assign(database, token, "trade"))["cart"]) == ["4.90"]
    assert prices((await assign(database, token, None))["cart"]) == ["0.00"]


async def test_the_order_of_a_group_is_placed_with_its_free_delivery(database: Database, shop: Shop) -> None:
    rate = await make_rate(database, shop, "4.90", free_for_groups=[("staff", amount(shop, "0"))])
    token = (await flow.create(database, shop, 1))["cartToken"]
    await assign(database, token, "staff")
    await flow.update(database, token, email="ada@example.org", shippingAddress=GERMAN)
    await flow.select(database, token, option_id(rate))
    order = (await place(till(database), token, "sandbox", "ok", str(uuid4()))).order
    assert order is not None
    assert (order.totals.shipping_minor, order.totals.total_minor) == (0, 1_000)


async def test_only_who_is_trusted_to_says_which_group_buys(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    for actor in (ANONYMOUS, make_app(Permission.CARTS_READ)):
        refused = await factories.execute(
            database, SET, {"input": {"cartToken": token, "customerGroup": "staff"}}, actor
        )
        assert refused.errors is not None
    [error] = (await assign(database, token, "No Such"))["userErrors"]
    assert error["path"] == ["customerGroup"]
    [error] = (await assign(database, "gone", "staff"))["userErrors"]
    assert error["path"] == ["cartToken"]


async def test_staff_replace_what_a_rate_says_of_groups(database: Database, shop: Shop) -> None:
    rate = await make_rate(database, shop, "4.90", free_for_groups=[("staff", amount(shop, "0"))])
    document = """mutation ($input: DeliveryRateUpdateInput!) { deliveryRateUpdate(input: $input) {
        deliveryRate { version freeForGroups { customerGroup freeFrom { amount } } }
        userErrors { path } } }"""

    async def update(**given: Any) -> dict[str, Any]:
        values = {"input": {"id": encode_id("DeliveryRate", rate.id), **given}}
        return dict((await factories.data_of(database, document, values, SYSTEM))["deliveryRateUpdate"])

    assert (await update(service="Other"))["deliveryRate"]["freeForGroups"] == [
        {"customerGroup": "staff", "freeFrom": {"amount": "0.00"}}
    ]
    one = {"customerGroup": "trade", "freeFrom": {"amount": "9.90", "currency": shop.channel.currency}}
    assert (await update(freeForGroups=[one]))["deliveryRate"] == {
        "version": 3,
        "freeForGroups": [{"customerGroup": "trade", "freeFrom": {"amount": "9.90"}}],
    }
    [error] = (await update(freeForGroups=[one, one]))["userErrors"]
    assert error["path"] == ["freeForGroups", "1", "customerGroup"]
    foreign = {**one, "freeFrom": {"amount": "9", "currency": "JPY"}}
    [error] = (await update(freeForGroups=[foreign]))["userErrors"]
    assert error["path"][:2] == ["freeForGroups", "0"]


async def test_a_group_has_a_plain_name(database: Database, shop: Shop) -> None:
    given = RateChanges(
        free_for_groups=[("Trade", amount(shop, "1"))], price=amount(shop, "1"), carrier="A", service="B"
    )
    with pytest.raises(InvalidInput) as caught:
        await shipping.create(make_context(database), shop.channel.slug, given)
    assert caught.value.path == ("freeForGroups", "0", "customerGroup")
