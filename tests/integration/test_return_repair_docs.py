"""The examples of docs/features/return_repairs.md run as they are written."""

import json
import re
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from domain.returns import ReturnWish
from persistence.database import Database
from services.access import ANONYMOUS
from tests.checkouts import make_stocked_shop, till
from tests.factories import execute, make_app
from tests.sent_back import DESK, arrived_order, ask_for, let_return, lines_of, shopper

DOCUMENT = Path(__file__).parents[2] / "docs" / "features" / "return_repairs.md"
_EXAMPLE = re.compile(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)


async def test_the_examples_of_repairs_run(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 5)
    order = await arrived_order(database, 3, shop=shop)
    (line,) = await lines_of(database, order.id)
    known = {
        "orderToken": shopper(database, order)[1].token or "",
        "orderLineId": encode_id("OrderLine", line.id),
        "locationCode": shop.locations[0].code,
    }
    answers: list[Any] = []
    for document, variables in _EXAMPLE.findall(DOCUMENT.read_text()):
        if "returnRepairGiveUp" in document:
            again = await ask_for(database, order, wish=ReturnWish.REPAIR)
            known["returnId"] = encode_id("Return", again.id)
        for name, value in known.items():
            variables = variables.replace(f"<{name}>", value)
        result = await execute(
            database,
            document,
            json.loads(variables),
            ANONYMOUS if "returnRequest" in document else make_app(*DESK),
            payment_providers=till(database).environment.payment_providers,
        )
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer["userErrors"] == [], (document, answer)
        answers.append(answer)
        if "returnRequest" in document:
            found = answer["return"]
            known |= {"returnId": found["id"], "returnLineId": found["lines"][0]["id"]}
    policy, asked, _, seen, done, given_up = answers
    assert policy["policy"]["repair"] is True
    assert (asked["return"]["status"], asked["return"]["keepsItems"]) == ("APPROVED", False)
    assert seen["return"] == {"status": "INSPECTED", "waitsFor": "REPAIR"}
    assert done["return"].pop("fulfillmentOrderId") is not None
    assert done["return"] == {
        "status": "CLOSED",
        "refund": {"amount": "0.00"},
        "lines": [{"outcome": "REPAIRED"}],
    }
    assert given_up["return"]["wish"] == "REFUND"
