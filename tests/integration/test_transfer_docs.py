"""The examples of the page on transfers run as they are written."""

import json
import re
from pathlib import Path
from typing import Any

from domain.transfers import TRANSITIONS, TransferStatus
from persistence.database import Database
from tests.examples import examples_in
from tests.factories import data_of, give_stock, make_location, make_variant

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "transfers.md").read_text()


async def test_the_examples_of_transfers_run(database: Database) -> None:
    london = await make_location(database, code="LONDON")
    await make_location(database, code="LEEDS")
    await give_stock(database, await make_variant(database, sku="MUG-BLUE"), london, 10)
    ids: dict[str, str] = {}
    statuses: list[str] = []
    answer: dict[str, Any] = {}

    for document, variables in examples_in(PAGE):
        for name, value in ids.items():
            variables = variables.replace(f"<{name}>", value)
        (answer,) = (await data_of(database, document, json.loads(variables or "{}"))).values()
        assert answer.get("userErrors", []) == [], document
        if "transfer" in answer:
            statuses.append(answer["transfer"]["status"])
        if "id" in answer.get("transfer", {}):
            ids = {"transferId": answer["transfer"]["id"], "lineId": answer["transfer"]["lines"][0]["id"]}

    assert statuses == ["DRAFT", "READY_TO_SHIP", "IN_PROGRESS", "TRANSFERRED"]
    assert [edge["node"]["source"]["code"] for edge in answer["edges"]] == ["LONDON"]


def test_the_table_of_statuses_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_, ]+) \|$", PAGE, re.MULTILINE)

    assert {TransferStatus(row): set(onward.split(", ")) for row, onward in rows} == {
        status: {one.value for one in onward} for status, onward in TRANSITIONS.items()
    }
