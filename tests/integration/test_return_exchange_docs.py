"""The examples of docs/features/return_exchanges.md run as they are written."""

import json
import re
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from persistence.database import Database
from services.access import ANONYMOUS
from tests.checkouts import make_stocked_shop, till
from tests.exchanged import exchange_for
from tests.factories import execute, give_stock, make_app, make_variant
from tests.sent_back import DESK, arrived_order, let_return, lines_of, shopper

DOCUMENT = Path(__file__).parents[2] / "docs" / "features" / "return_exchanges.md"
_EXAMPLE = re.compile(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)


async def test_the_examples_of_exchanges_run(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 5)
    order = await arrived_order(database, 3, shop=shop)
    await give_stock(database, await make_variant(database, shop.channel, sku="MUG-L"), shop.locations[0], 1)
    (line,) = await lines_of(database, order.id)
    dearer = await make_variant(database, shop.channel, sku="MUG-XL", price="13")
    await give_stock(database, dearer, shop.locations[0], 1)
    known = {
        "dearerReturnId": encode_id("Return", (await exchange_for(database, order, dearer)).id),
        "orderToken": shopper(database, order)[1].token or "",
        "orderLineId": encode_id("OrderLine", line.id),
        "locationCode": shop.locations[0].code,
    }
    answers: list[Any] = []
    for document, variables in _EXAMPLE.findall(DOCUMENT.read_text()):
        for name, value in known.items():
            variables = variables.replace(f"<{name}>", value)
        for_staff = "returnReceive" in document or "returnInspect" in document
        result = await execute(
            database,
            document,
            json.loads(variables),
            make_app(*DESK) if for_staff else ANONYMOUS,
            payment_providers=till(database).environment.payment_providers,
        )
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], document
        answers.append(answer)
        if "returnRequest" in document:
            found = answer["return"]
            known |= {"returnId": found["id"], "returnLineId": found["lines"][0]["id"]}
    credit, exchange, seen, _, inspected, asked, paid = answers
    assert credit["return"]["wish"] == "STORE_CREDIT"
    assert exchange["return"]["exchangeOrderId"] is not None
    assert [one["totals"] for one in seen["exchanges"]] == [
        {"total": {"amount": "13.00"}},
        {"total": {"amount": "10.00"}},
    ]
    made = seen["exchanges"][1]
    assert made["fulfillmentOrders"] == [{"status": "ON_HOLD"}]
    assert made["exchangeOf"] is not None
    assert inspected["return"]["status"] == "CLOSED"
    assert inspected["return"]["lines"] == [{"outcome": "EXCHANGED"}]
    assert (asked["due"], asked["payBy"]) == ({"amount": "3.00", "currency": "USD"}, None)
    assert paid["payment"]["amount"] == {"amount": "3.00"}
