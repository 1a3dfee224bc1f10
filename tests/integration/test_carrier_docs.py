"""The examples of the carriers' document run as they are written."""

import asyncio
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from api.scalars import encode_id
from app.cli import cli
from domain.parcels import Carriage
from persistence.database import Database
from providers.carriers.sandbox_record import parcels
from tests.examples import examples_in
from tests.factories import data_of
from tests.labeled import carriers_of, packed_parcels

PAGE = Path(__file__).parents[2] / "docs" / "features" / "carriers.md"


async def test_the_examples_of_carriers_run(database: Database) -> None:
    _, ids = await packed_parcels(database, 1, 2, carriage=Carriage("Sandbox Post", "OVERNIGHT", "sandbox"))
    (many, _), (one, _) = examples_in(PAGE.read_text())
    named = [encode_id("Shipment", shipment_id) for shipment_id in ids]

    async def ask(document: str, **variables: Any) -> dict[str, Any]:
        done = await data_of(database, document, variables, carriers=carriers_of(database))
        (payload,) = done.values()
        return dict(payload)

    refused = await ask(many, ids=named)
    assert [result["userErrors"][0]["refusalCode"] for result in refused["results"]] == [
        "unknown_service"
    ] * 2
    assert refused["documentsUrl"] is None
    bought = await ask(one, id=named[0])
    assert bought["shipment"] == {
        "status": "LABEL_CREATED",
        "label": {"state": "PURCHASED", "refusal": None},
    }


async def test_the_commands_of_the_sandbox_carrier_say_what_the_page_shows(
    database: Database, database_url: str
) -> None:
    _, ids = await packed_parcels(database)
    buying = 'mutation ($ids: [ID!]!) { shipmentsLabelPurchase(input: { ids: $ids, idempotencyKey: "a" }) {'
    await data_of(
        database,
        f"{buying} userErrors {{ message }} }} }}",
        {"ids": [encode_id("Shipment", ids[0])]},
        carriers=carriers_of(database),
    )
    (sold,) = await parcels(database.engine)
    number = sold.tracking_number

    async def run(*arguments: str) -> Result:
        environment = {"ORDERTIDE_DATABASE_URL": database_url, "ORDERTIDE_SECRET_KEY": "k" * 32}
        given = ["sandbox", "carrier", *arguments]
        return await asyncio.to_thread(CliRunner().invoke, cli, given, env=environment)

    assert (await run("parcels")).output.startswith(f"{number}\tsold\tEXPRESS\t")
    moved = await run("advance", number, "in_transit", "--place", "Leipzig")
    assert moved.output == f"{number}\tIN_TRANSIT\n"
    assert f"{number}\tIN_TRANSIT\tLeipzig\t" in (await run("callbacks")).output
    faults = await run("faults", "--hang", "0.03", "--error", "0.03", "--down-for", "60")
    assert faults.output.startswith("hang 0.03\terror 0.03\tduplicate 0\tlate 0\tshuffle 0\tdown until ")
    after = await run("faults", "--down-for", "0", "--hang", "0")
    assert after.output == "hang 0\terror 0.03\tduplicate 0\tlate 0\tshuffle 0\n"
    wrong = await run("advance", number, "LOST")
    assert (wrong.exit_code, "LOST is no status" in wrong.output) == (2, True)
    assert (await run("advance", "SB0", "DELIVERED")).exit_code == 2
