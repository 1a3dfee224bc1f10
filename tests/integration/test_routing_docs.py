"""The examples of the page on routing run as they are written."""

import json
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from persistence.database import Database
from tests.checkouts import make_stocked_shop, order_now
from tests.examples import examples_in
from tests.factories import data_of

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "routing.md").read_text()


async def test_the_examples_of_routing_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 10, 10, slug="web", currency="GBP")
    placed = await order_now(database, shop, 2)
    assert placed.order is not None
    known = {
        "londonId": encode_id("Location", shop.locations[0].id),
        "leedsId": encode_id("Location", shop.locations[1].id),
        "orderId": encode_id("Order", placed.order.id),
    }
    answers: list[dict[str, Any]] = []
    for document, written in examples_in(PAGE):
        filled = written.replace("MUG-BLUE", shop.variant.sku)
        for name, value in known.items():
            filled = filled.replace(f"<{name}>", value)
        (answer,) = (await data_of(database, document, json.loads(filled or "{}"))).values()
        assert answer.get("userErrors", []) == [], (document, answer)
        answers.append(answer)

    rules, costs, preview, again, unfillable = answers
    assert rules["location"]["rules"]["closures"] == [{"day": "2031-12-24"}]
    assert costs["routing"]["strategy"] == "CHEAPEST"
    assert preview["proven"]
    assert [one["used"] for one in preview["alternatives"]].count(True) == 1
    assert again["unfillable"] == unfillable["edges"] == []
