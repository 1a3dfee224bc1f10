"""The examples of the pages on channels, locations, rates, the catalogue and suppliers run as written."""

import json
import re
from pathlib import Path
from typing import Any

from app.import_files import FileFormat, read_rows
from domain.catalog_import import read_table
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import catalog_import, channels, locations
from tests import cart_flows as flow
from tests import factories
from tests.delivery import BRITISH
from tests.examples import examples_in

FEATURES = Path(__file__).parents[2] / "docs" / "features"


async def run_examples(
    database: Database, feature: str, known: dict[str, str], **environment: Any
) -> list[Any]:
    """Run the examples of a document in their order; what has an id fills later `<kindId>`."""
    answers: list[Any] = []
    for document, variables in examples_in((FEATURES / f"{feature}.md").read_text(encoding="utf-8")):
        for name, value in known.items():
            variables = variables.replace(f"<{name}>", value)
        assert "<" not in variables, variables
        data = await factories.data_of(database, document, json.loads(variables or "{}"), **environment)
        (answer,) = data.values()
        assert answer is not None, document
        if isinstance(answer, dict):
            assert answer.get("userErrors", []) == [], (document, answer)
            for kind, row in answer.items():
                if isinstance(row, dict) and "id" in row:
                    known.setdefault(f"{kind}Id", row["id"])
        answers.append(answer)
    return answers


async def standard_rate(database: Database) -> str:
    listed = await factories.data_of(database, '{ deliveryRates(channel: "web") { id } }')
    return str(listed["deliveryRates"][0]["id"])


async def british_cart(database: Database) -> str:
    """Create a cart with an address in the channel of the examples; returns its token."""
    web = await channels.get(factories.make_context(database), "web")
    mug = await factories.make_variant(database, web, price="12.50")
    (leeds,) = await locations.list_all(factories.make_context(database))
    await factories.give_stock(database, mug, leeds, 10)
    token: str = (await flow.create_in(database, "web", [(mug.sku, 1)]))["cartToken"]
    await flow.update(database, token, shippingAddress=BRITISH)
    return token


async def test_the_examples_run(database: Database, tmp_path: Path) -> None:
    channels = await run_examples(database, "channels", {})
    assert channels[1]["channel"]["settings"]["reviewFrom"] == {"amount": "500.00", "currency": "GBP"}

    locations = await run_examples(database, "locations", {})
    assert locations[0]["location"]["address"]["postalCode"] == "LS10 1NA"
    assert [location["code"] for location in locations[2]] == ["LEEDS"]

    cart_token = await british_cart(database)
    known = {"standardRateId": await standard_rate(database), "cartToken": cart_token}
    carriers = {"sandbox": SandboxCarrier(database.engine)}
    rates = await run_examples(database, "shipping", known, carriers=carriers)
    assert [rate["service"] for rate in rates[2]] == ["Standard", "Tracked 48", "Tracked 48"]
    assert rates[4]["deliveryRate"]["countries"] == ["GB", "IE"]
    assert [one["service"] for one in rates[-1]["cart"]["deliveryOptions"]] == [
        "Tracked 48",
        "Mainland",
        "Tomorrow",
    ]
    assert rates[-1]["complete"]

    catalog = await run_examples(database, "catalog", {})
    (found,) = catalog[1]["edges"]
    assert [variant["sku"] for variant in found["node"]["variants"]] == ["MUG-BLUE", "MUG-RED"]
    assert catalog[4]["variant"]["price"] == {"amount": "13.00", "currency": "GBP"}

    suppliers = await run_examples(database, "suppliers", {})
    assert suppliers[2]["variant"]["supplier"] == {"code": "LOOM", "name": "The Loom & Sons"}
    assert [edge["node"]["code"] for edge in suppliers[3]["edges"]] == ["LOOM"]
    assert suppliers[4]["supplier"] == {"code": "LOOM", "archived": True}


async def test_the_examples_of_imports_run(database: Database, tmp_path: Path) -> None:
    await factories.make_channel(database, "web", "GBP")
    await factories.make_location(database, "LEEDS")
    written = (FEATURES / "catalog.md").read_text(encoding="utf-8")
    for form, expected in (
        (FileFormat.CSV, (2, 3, 0, 3, 2)),
        (FileFormat.JSONL, (0, 1, 1, 2, 1)),
    ):
        example = re.search(rf"```{form}\n(.*?)```", written, re.DOTALL)
        assert example
        file = tmp_path / f"catalog.{form}"
        file.write_text(example[1], encoding="utf-8")
        table, errors = read_table(read_rows(file, form, lambda _: None))
        report = await catalog_import.run(factories.make_context(database), table, errors)
        assert (
            report.products_created,
            report.variants_created,
            report.variants_updated,
            report.prices_set,
            report.levels_changed,
        ) == expected
