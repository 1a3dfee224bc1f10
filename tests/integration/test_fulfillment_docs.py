"""The examples of fulfilment run as they are written."""

import json
from pathlib import Path
from typing import Any

from persistence.database import Database
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.examples import examples_in
from tests.factories import data_of
from tests.payments import staff
from tests.shipping import check_units, placed_order

_PAGE = Path(__file__).parents[2] / "docs" / "features" / "fulfillment.md"


async def test_the_examples_of_fulfilment_run(database: Database) -> None:
    shop = await make_stocked_shop(database, 9, 9)
    await run_sql(
        database,
        "UPDATE variants SET sku = 'MUG-BLUE' WHERE id = :id RETURNING id",
        id=shop.variant.id,
    )
    for location, code in zip(shop.locations, ("MAIN", "SECOND"), strict=True):
        await run_sql(
            database,
            "UPDATE locations SET code = :code WHERE id = :id RETURNING id",
            code=code,
            id=location.id,
        )
    await placed_order(database, shop=shop, quantity=5)
    await placed_order(database, shop=shop, quantity=3)
    examples = examples_in(_PAGE.read_text())
    assert len(examples) == 11
    known: dict[str, str] = {}
    providers = staff(database).environment.payment_providers
    for document, written in examples:
        for name, value in known.items():
            written = written.replace(f"<{name}>", value)
        assert "<" not in written
        data = await data_of(database, document, json.loads(written), payment_providers=providers)
        [(field, answer)] = data.items()
        _check(field, answer)
        known |= _learnt(field, answer)
    await check_units(database)


def _check(field: str, answer: dict[str, Any]) -> None:
    assert not answer.get("userErrors"), (field, answer)
    if field == "fulfillmentOrderFulfill":
        assert answer["order"]["paymentStatus"] == "PARTIALLY_PAID"
    if field == "shipmentsHandOver":
        assert [bool(one["userErrors"]) for one in answer["results"]] == [False, True]
    if field == "fulfillmentOrderMove":
        assert answer["fulfillmentOrder"]["location"] == {"code": "SECOND"}
    if field == "fulfillmentOrderReschedule":
        assert answer["fulfillmentOrder"]["status"] == "SCHEDULED"


def _learnt(field: str, answer: dict[str, Any]) -> dict[str, str]:
    if field == "fulfillmentOrders":
        first, second = (edge["node"] for edge in answer["edges"])
        return {
            "partId": first["id"],
            "lineId": first["lines"][0]["id"],
            "otherPartId": second["id"],
            "otherLineId": second["lines"][0]["id"],
        }
    if field == "shipmentCreate":
        first, second = (shipment["id"] for shipment in answer["shipments"])
        return {"firstShipmentId": first, "secondShipmentId": second}
    if field == "fulfillmentOrderIncomplete":
        return {"newPartId": answer["fulfillmentOrders"][1]["id"]}
    return {}
