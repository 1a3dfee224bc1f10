"""The examples of docs/features/return_parcels.md run as they are written."""

import json
import re
from pathlib import Path
from typing import Any

from api.scalars import encode_id
from persistence.database import Database
from services.access import ANONYMOUS, SYSTEM
from tests.cart_flows import run_sql
from tests.factories import execute
from tests.sent_back import let_return, lines_of, shopper
from tests.ways_back import carriers, sent_by_sandbox, with_label

_TEXT = (Path(__file__).parents[2] / "docs" / "features" / "return_parcels.md").read_text()
_EXAMPLE = re.compile(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)


async def test_the_examples_run(database: Database) -> None:
    await let_return(database)
    order = await sent_by_sandbox(database, 3)
    (line,) = await lines_of(database, order.id)
    (place,) = await run_sql(database, "SELECT code FROM locations ORDER BY id LIMIT 1")
    found = await with_label(database, order)
    known = {
        "locationCode": place.code,
        "orderToken": shopper(database, order)[1].token or "",
        "orderNumber": order.number,
        "returnId": encode_id("Return", found.id),
        "lineId": encode_id("OrderLine", line.id),
        "sku": line.sku,
    }
    answers: list[Any] = []
    for document, variables in _EXAMPLE.findall(_TEXT):
        for name, value in known.items():
            variables = variables.replace(f"<{name}>", value)
        actor = ANONYMOUS if "token" in variables else SYSTEM
        result = await execute(database, document, json.loads(variables or "{}"), actor, **carriers(database))
        assert result.errors is None, (document, result.errors)
        assert result.data is not None
        (answer,) = result.data.values()
        assert answer.get("userErrors", []) == [], (document, answer)
        if "returnReceiveBlind" in result.data:
            known["blindReturnId"] = answer["return"]["id"]
        answers.append(answer)
    assert len(answers) == 6
    assert answers[0]["returnShipping"]["serviceCode"] == "ECONOMY"
    assert answers[1]["returns"][0]["label"]["state"] == "PURCHASED"
    assert answers[2]["return"]["parcels"][1]["source"] == "OWN"
    assert answers[4]["return"]["verdict"]["decision"] == "ASK_STAFF"
    assert [one["isOurs"] for one in answers[5]["return"]["surplus"]] == [True, False]
