"""The examples of the page on cycle counts run as they are written."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.cycle_counts import TRANSITIONS, CycleCountStatus
from persistence.database import Database
from services.access import Permission
from tests.examples import examples_in
from tests.factories import data_of, give_stock, make_app, make_location, make_product, variant_draft

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "cycle_counts.md").read_text()
CLERK = make_app(Permission.STOCK_READ, Permission.STOCK_WRITE)
LEAD = make_app(Permission.STOCK_READ, Permission.STOCK_WRITE, Permission.STOCK_APPROVE)


async def test_the_examples_of_cycle_counts_run(database: Database) -> None:
    london = await make_location(database, code="LONDON")
    drafts = [variant_draft(sku="MUG-BLUE"), replace(variant_draft(sku="MUG-RED"), barcode="4006381333931")]
    for variant in (await make_product(database, *drafts))[1]:
        await give_stock(database, variant, london, 10)
    count_id = ""
    answers: list[dict[str, Any]] = []

    for document, variables in examples_in(PAGE):
        who = CLERK if re.search("Record|Submit", document) else LEAD
        wanted = json.loads((variables or "{}").replace("<countId>", count_id))
        (answer,) = (await data_of(database, document, wanted, who)).values()
        assert answer.get("userErrors", []) == [], document
        answers.append(answer)
        count_id = count_id or answer["cycleCount"]["id"]

    *steps, listed = answers
    assert [step["cycleCount"]["status"] for step in steps] == ["OPEN", "OPEN", "SUBMITTED", "APPROVED"]
    (node,) = [edge["node"] for edge in listed["edges"]]
    assert node["lines"] == [{"sku": "MUG-BLUE", "booked": -3}, {"sku": "MUG-RED", "booked": -1}]


def test_the_table_of_statuses_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_, ]+) \|$", PAGE, re.MULTILINE)

    assert {CycleCountStatus(row): set(onward.split(", ")) for row, onward in rows} == {
        status: {one.value for one in onward} for status, onward in TRANSITIONS.items()
    }
