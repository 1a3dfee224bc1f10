"""Looking things up by their global id: what is not yours answers like what does not exist."""

from typing import Any

import pytest

from api.scalars import encode_id
from domain.kernel.ids import new_id
from persistence.database import Database
from services import nodes
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from tests import cart_flows
from tests.checkouts import make_stocked_shop, order_now
from tests.factories import SCHEMA, data_of, execute, make_app, make_shop

NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
ORDER = """query($id: ID!) { node(id: $id) { ... on Order {
    id payments { id } fulfillmentOrders { id } channel { id } } } }"""


async def look_up(database: Database, node_id: str, actor: Actor = SYSTEM) -> Any:
    """Return what stands under an id."""
    return (await data_of(database, NODE, {"id": node_id}, actor))["node"]


async def test_what_is_sold_is_open_and_locations_are_not(database: Database) -> None:
    shop = await make_shop(database)
    ids = {
        "Channel": encode_id("Channel", shop.channel.id),
        "Product": encode_id("Product", shop.variant.product_id),
        "ProductVariant": encode_id("ProductVariant", shop.variant.id),
        "Location": encode_id("Location", shop.location.id),
    }

    for type_name, node_id in ids.items():
        found = {"__typename": type_name, "id": node_id}
        open_to_all = type_name != "Location"

        assert await look_up(database, node_id) == found
        assert await look_up(database, node_id, ANONYMOUS) == (found if open_to_all else None)
    assert await look_up(database, ids["Location"], make_app(Permission.STOCK_READ)) is not None
    assert await look_up(database, ids["Location"], make_app(Permission.CATALOG_WRITE)) is None


async def test_a_cart_is_for_who_may_read_carts_not_for_who_has_its_id(database: Database) -> None:
    created = await cart_flows.create(database, await make_shop(database, stock=5), 1)
    node_id = created["cart"]["id"]

    assert await look_up(database, node_id, ANONYMOUS) is None
    assert await look_up(database, node_id, make_app(Permission.ORDERS_READ)) is None
    assert await look_up(database, node_id, make_app(Permission.CARTS_READ)) == {
        "__typename": "Cart",
        "id": node_id,
    }


async def test_an_order_and_its_parts_are_for_who_may_read_orders(database: Database) -> None:
    placed = await order_now(database, await make_stocked_shop(database, 5), 2)
    assert placed.order is not None
    order_id = encode_id("Order", placed.order.id)
    order = (await data_of(database, ORDER, {"id": order_id}))["node"]
    parts = [order_id, order["payments"][0]["id"], order["fulfillmentOrders"][0]["id"]]

    for node_id in parts:
        assert (await look_up(database, node_id, make_app(Permission.ORDERS_READ)))["id"] == node_id
        assert await look_up(database, node_id, make_app(Permission.CARTS_READ)) is None
        assert await look_up(database, node_id, ANONYMOUS) is None


@pytest.mark.parametrize("type_name", [*nodes.READERS, "Query", "Nonsense"])
async def test_what_does_not_exist_is_null(database: Database, type_name: str) -> None:
    assert await look_up(database, encode_id(type_name, new_id())) is None


@pytest.mark.parametrize("malformed", ["", "x", "Q2hhbm5lbDo=", "é", "Q2hhbm5lbDp4", "=" * 40])
async def test_a_malformed_id_is_bad_input(database: Database, malformed: str) -> None:
    result = await execute(database, NODE, {"id": malformed})

    assert result.errors is not None
    assert "not an id" in result.errors[0].message


def test_every_node_type_says_who_may_look_it_up() -> None:
    schema = SCHEMA._schema
    node = schema.type_map["Node"]
    types = {type_.name for type_ in schema.get_possible_types(node)}  # type: ignore[arg-type]

    assert types == set(nodes.READERS)
