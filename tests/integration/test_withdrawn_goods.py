"""What staff take out of the shop is no longer sold, from carts that have it already either."""

from collections.abc import Awaitable, Callable

import pytest

from domain.catalog import VariantRef
from domain.kernel.errors import CartClosed, VariantUnavailable
from persistence.database import Database
from providers.payments.sandbox import charges
from services import catalog_changes, channels
from services.context import ServiceContext
from services.order_placement import place
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests.checkouts import Shop, cart_status, later, levels, make_ready_cart, make_stocked_shop, till
from tests.factories import execute, make_context

Withdrawal = Callable[[ServiceContext, Shop], Awaitable[object]]

WITHDRAWALS: dict[str, Withdrawal] = {
    "its variant is archived": lambda staff, shop: catalog_changes.archive_variant(staff, _ref(shop)),
    "its product is archived": lambda staff, shop: catalog_changes.archive_product(
        staff, shop.variant.product_id
    ),
    "its price is removed": lambda staff, shop: catalog_changes.set_price(
        staff, _ref(shop), shop.channel.slug, None
    ),
}


@pytest.mark.parametrize("how", WITHDRAWALS)
async def test_a_line_is_not_ordered_once(database: Database, how: str) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await WITHDRAWALS[how](make_context(database), shop)
    with pytest.raises(VariantUnavailable) as caught:
        await place(till(database), token, "sandbox", "ok", "key")
    assert (caught.value.sku, caught.value.path) == (shop.variant.sku, ("cartToken",))
    assert await charges(database.engine) == []
    assert await cart_status(database, token) == "ACTIVE"
    assert await levels(database, shop) == [(3, 2, 0)]


async def test_a_client_is_told_which_line_it_is(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await catalog_changes.archive_variant(make_context(database), _ref(shop))
    document = """mutation ($input: OrderPlaceInput!) { orderPlace(input: $input) {
        order { id } userErrors { __typename code path ... on VariantUnavailableError { sku } } } }"""
    payment = {"provider": "sandbox", "method": "ok"}
    given = {"cartToken": token, "payment": payment, "idempotencyKey": "key"}
    providers = till(database).environment.payment_providers
    result = await execute(database, document, {"input": given}, payment_providers=providers)
    assert result.data is not None, result.errors
    assert result.data["orderPlace"]["userErrors"] == [
        {
            "__typename": "VariantUnavailableError",
            "code": "VARIANT_UNAVAILABLE",
            "path": ["cartToken"],
            "sku": shop.variant.sku,
        }
    ]


async def test_a_cart_of_an_archived_channel_takes_neither_orders_nor_changes(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    line = (await flow.read(database, token))["lines"][0]["id"]
    await channels.archive(make_context(database), shop.channel.id)
    with pytest.raises(CartClosed):
        await place(till(database), token, "sandbox", "ok", "key")
    assert await charges(database.engine) == []
    for answer in (
        await flow.add(database, token, shop.variant.sku, 1),
        await flow.update_line(database, token, line, 1),
        await flow.update(database, token, email="bob@example.org"),
    ):
        assert [error["code"] for error in answer["userErrors"]] == ["CART_CLOSED"]
    cart = await flow.read(database, token)
    assert (cart["version"], cart["email"], cart["lines"][0]["quantity"]) == (1, "ada@example.com", 2)


async def test_what_was_being_paid_for_when_it_was_withdrawn_is_still_ordered(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await catalog_changes.archive_variant(make_context(database), _ref(shop))
    await channels.archive(make_context(database), shop.channel.id)
    await settle_due(later(database))
    assert (await place(till(database), token, "sandbox", "timeout", "key")).order is not None
    assert await levels(database, shop) == [(3, 0, 2)]


def _ref(shop: Shop) -> VariantRef:
    return VariantRef(sku=shop.variant.sku)
