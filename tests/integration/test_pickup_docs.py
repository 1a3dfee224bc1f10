"""The examples of the page on click and collect run as they are written, each by who is meant to ask."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

from api.scalars import encode_id
from persistence.database import Database
from services.access import ANONYMOUS, SYSTEM
from services.order_placement import place
from tests.cart_flows import run_sql
from tests.checkouts import make_ready_cart, till
from tests.examples import examples_in
from tests.factories import data_of
from tests.pickups import collected_order, make_ready, make_store_shop
from tests.shipping import check_units, part_at

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "pickups.md").read_text()


async def test_the_examples_of_click_and_collect_run(database: Database) -> None:
    shop = await make_store_shop(database, 9, 9, point=(48.137, 11.575))
    await run_sql(database, "UPDATE variants SET sku = 'MUG-BLUE' WHERE id = :id", id=shop.variant.id)
    await run_sql(
        database, "UPDATE locations SET code = 'MARIENPLATZ' WHERE id = :id", id=shop.locations[1].id
    )
    await run_sql(database, "UPDATE channels SET slug = 'shop' WHERE id = :id", id=shop.channel.id)
    token = await make_ready_cart(database, shop, 2)
    known = {"cartToken": token, "storeId": encode_id("Location", shop.locations[1].id)}
    providers = till(database).environment.payment_providers
    answers: dict[str, Any] = {}
    examples = examples_in(PAGE)
    assert len(examples) == 8

    for document, written in examples:
        name = re.findall(r"^  (\w+)\(", document, re.MULTILINE)[0]
        if name == "fulfillmentOrderReady":
            placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
            assert placed.order is not None
            assert placed.order_token is not None
            part = await part_at(database, placed.order.id)
            known["fulfillmentOrderId"] = encode_id("FulfillmentOrder", part.id)
            known["orderToken"] = placed.order_token
        if name == "fulfillmentOrderNotCollected":
            await run_sql(
                database, "UPDATE locations SET code = :code WHERE id = :id",
                code=shop.locations[1].code, id=shop.locations[1].id,
            )  # fmt: skip
            _, other = await collected_order(database, shop)
            await make_ready(database, other)
            known["fulfillmentOrderId"] = encode_id("FulfillmentOrder", other.id)
        filled = written
        for key, value in known.items():
            filled = filled.replace(f"<{key}>", value)
        actor = SYSTEM if name.startswith(("fulfillment", "pickupFee", "location")) else ANONYMOUS
        data = await data_of(database, document, json.loads(filled), actor, payment_providers=providers)
        answers[name] = data[name]
        if name == "order":
            known["code"] = answers["order"]["fulfillmentOrders"][0]["pickup"]["code"]
        elif name != "pickupLocations":
            assert answers[name]["userErrors"] == [], answers[name]

    assert re.fullmatch(r"\d{6}", known["code"])
    _check(answers)
    await check_units(database)


def _check(answers: dict[str, Any]) -> None:
    (store,) = answers["pickupLocations"]
    assert (store["place"]["code"], store["isComplete"]) == ("MARIENPLATZ", True)
    assert 0 < store["distanceMeters"] < 1_000
    assert store["items"][0]["availability"] == "IN_STOCK"
    assert answers["cartPickupSelect"]["cart"]["pickup"]["code"] == "MARIENPLATZ"
    assert answers["cartPickupSelect"]["cart"]["deliveryOption"] is None
    assert answers["pickupFeeSet"]["pickupFee"]["fee"]["amount"] == "1.50"
    assert len(answers["locationRulesUpdate"]["location"]["rules"]["openingHours"]) == 3
    waits = answers["fulfillmentOrderReady"]["fulfillmentOrder"]["pickup"]
    assert waits["readyAt"] is not None
    assert waits["code"] is None, "staff ask for it"
    assert answers["fulfillmentOrderCollected"]["order"] == {
        "status": "COMPLETED",
        "fulfillmentStatus": "DELIVERED",
        "paymentStatus": "PAID",
    }
    assert answers["fulfillmentOrderNotCollected"]["order"] == {
        "status": "CANCELED",
        "paymentStatus": "VOIDED",
    }
