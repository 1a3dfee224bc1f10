"""Boxes that packers are told to take: for what is in no parcel yet, seen by who packs."""

from typing import Any
from uuid import uuid4

import pytest

from api.scalars import encode_id
from domain.boxes import ShippingBox
from domain.fulfillment import FulfillmentOrder
from domain.kernel.ids import new_id
from domain.suggested_boxes import PackingFacts, suggest
from persistence.database import Database
from services import packing
from services.access import Actor, Permission
from tests import factories
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.delivery import make_box
from tests.factories import make_app
from tests.payments import staff
from tests.shipping import part_at, placed_order
from tests.statements import count_statements

PACKER = make_app(Permission.ORDERS_READ, Permission.WAREHOUSE_WRITE)
CUBE = "length_mm = 100, width_mm = 100, height_mm = 100"


def document(*parts: FulfillmentOrder, divisor: int | None = None) -> str:
    """Return a query of what is suggested for each of some parts."""
    given = "" if divisor is None else f"(dimensionalDivisor: {divisor})"
    asked = f"""... on FulfillmentOrder {{ suggestedBoxes{given} {{
        box {{ name }} count weightGrams dimensionalWeightGrams lines {{ sku quantity }} }} }}"""
    ids = [encode_id("FulfillmentOrder", part.id) for part in parts]
    return "{" + " ".join(f'n{at}: node(id: "{one}") {{ {asked} }}' for at, one in enumerate(ids)) + "}"


async def suggested(
    database: Database, *parts: FulfillmentOrder, actor: Actor = PACKER, divisor: int | None = None
) -> Any:
    """Return what is suggested for each of some parts."""
    found = await factories.data_of(database, document(*parts, divisor=divisor), actor=actor)
    return [one["suggestedBoxes"] for one in found.values()]


async def test_a_packer_sees_which_boxes_to_take_and_what_goes_into_each(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    await run_sql(
        database,
        f"UPDATE variants SET weight_grams = 250, {CUBE} RETURNING id",
    )
    await make_box(database, 200, 100, 100, own=50)
    await make_box(database, 400, 300, 300, own=100, most=700)
    part = await part_at(database, (await placed_order(database, shop=shop, quantity=5)).id)
    # Two in a box of 2 l, as none may weigh more than 700 g.
    pair = {"sku": shop.variant.sku, "quantity": 2}
    [boxes] = await suggested(database, part, divisor=4_000)
    assert [(one["count"], one["lines"]) for one in boxes] == [
        (2, [pair]),
        (1, [{**pair, "quantity": 1}]),
    ]
    assert boxes[0] == {
        "box": {"name": "Box (200, 100, 100)"},
        "count": 2,
        "weightGrams": 550,
        "dimensionalWeightGrams": 500,
        "lines": [pair],
    }
    # What is scanned into a parcel is packed.
    await packing.scan(staff(database), part.id, None, shop.variant.sku, 3, str(uuid4()))
    [[left]] = await suggested(database, part)
    assert (left["count"], left["lines"], left["dimensionalWeightGrams"]) == (1, [pair], None)


async def test_the_divisor_is_that_of_the_rate_and_an_unknown_weight_is_not_guessed(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 20)
    await run_sql(database, f"UPDATE variants SET {CUBE} RETURNING id")
    part = await part_at(database, (await placed_order(database, shop=shop, quantity=2)).id)
    await run_sql(database, "UPDATE delivery_rates SET dimensional_divisor = 5000 RETURNING id")
    [[one]] = await suggested(database, part)
    assert (one["box"], one["weightGrams"], one["dimensionalWeightGrams"]) == (None, None, 400)
    assert suggest(part, [], PackingFacts(boxes=(ShippingBox(new_id(), "S", 9, 9, 9),)))[0].box is not None


async def test_boxes_of_many_fulfillment_orders_are_found_at_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 20)
    listed = "{ fulfillmentOrders { edges { node { suggestedBoxes { count } } } } }"
    counts = []
    for many in (1, 2):
        await placed_order(database, shop=shop, quantity=1)
        with count_statements(database) as sent:
            found = await factories.data_of(database, listed, actor=make_app(Permission.FULFILLMENT_READ))
        counts.append(len(sent))
        boxes = [edge["node"]["suggestedBoxes"] for edge in found["fulfillmentOrders"]["edges"]]
        assert boxes == [[{"count": 1}]] * many
    # The page, the parts of its orders, and what they are packed by.
    assert counts[0] == counts[1] <= 3, counts


@pytest.mark.parametrize(
    ("permissions", "told"), [(Permission.ORDERS_READ, False), (Permission.FULFILLMENT_READ, True)]
)
async def test_boxes_are_for_who_packs_or_follows_fulfilment(
    database: Database, permissions: Permission, told: bool
) -> None:
    part = await part_at(database, (await placed_order(database)).id)
    actor = make_app(Permission.ORDERS_READ, permissions)
    assert (await suggested(database, part, actor=actor) != [None]) is told
    refused = await factories.execute(database, document(part, divisor=0), actor=PACKER)
    assert refused.errors is not None
    assert "between 1 and" in refused.errors[0].message
