"""Locations, through GraphQL on a real database."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.catalog import VariantRef
from domain.inventory import StockState
from domain.kernel.ids import new_id
from persistence import inventory
from persistence import locations as rows
from persistence.database import Database
from persistence.inventory import Change
from services.access import ANONYMOUS
from services.context import SystemClock
from tests import factories
from tests.lock_waits import until_waiting

CREATE = """
mutation ($input: LocationCreateInput!) {
  locationCreate(input: $input) {
    location { id code name address { name line1 city postalCode country } }
    userErrors { __typename path }
  }
}
"""
ADDRESS = {
    "name": "Dock 4",
    "line1": "Main St 1",
    "city": "Austin",
    "region": "TX",
    "postalCode": "78701",
    "country": "US",
}

UNITS = """
query ($c: String!, $s: String!) {
  productVariant(variant: {sku: $s}, channel: $c) { availability { available } }
}
"""


async def create(database: Database, **given: Any) -> dict[str, Any]:
    return dict((await factories.data_of(database, CREATE, {"input": given}))["locationCreate"])


async def test_a_location_is_created_with_its_address(database: Database) -> None:
    answer = await create(database, code="AUS-1", name="Austin", address=ADDRESS)
    assert answer["userErrors"] == []
    assert answer["location"]["code"] == "AUS-1"
    assert answer["location"]["address"]["postalCode"] == "78701"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"code": "-x"}, ["code"]),
        ({"code": "a b"}, ["code"]),
        ({"code": "taken"}, ["code"]),
        ({"name": ""}, ["name"]),
        ({"address": {**ADDRESS, "country": "XX"}}, ["address", "country"]),
    ],
)
async def test_bad_input_names_its_field(database: Database, given: dict[str, Any], path: list[str]) -> None:
    await factories.make_location(database, "taken")
    answer = await create(database, **{"code": "new", "name": "New", **given})
    assert answer["location"] is None
    assert [error["path"] for error in answer["userErrors"]] == [path]


async def test_a_later_location_serves_channels_that_all_serve(database: Database) -> None:
    await factories.make_location(database, "first")
    open_to_all = await factories.make_channel(database)
    closed = await factories.make_channel(database, location_codes=["first"])
    later = await factories.make_location(database, "later")
    sold = await factories.make_variant(database, open_to_all, closed)
    await factories.give_stock(database, sold, later, 5)
    for channel, expected in ((open_to_all, 5), (closed, 0)):
        found = await factories.data_of(database, UNITS, {"c": channel.slug, "s": sold.sku})
        assert found["productVariant"]["availability"]["available"] == expected


async def test_channels_and_locations_made_side_by_side_find_each_other(database: Database) -> None:
    await asyncio.gather(
        *(factories.make_channel(database) for _ in range(4)),
        *(factories.make_location(database) for _ in range(4)),
    )
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM channel_locations")) == 16


async def change(database: Database, verb: str, **given: Any) -> dict[str, Any]:
    document = f"""
    mutation ($input: Location{verb}Input!) {{
      location{verb}(input: $input) {{
        location {{ code name version address {{ city }} }} userErrors {{ code path }}
      }}
    }}"""
    return dict((await factories.data_of(database, document, {"input": given}))[f"location{verb}"])


async def codes(database: Database) -> list[str]:
    listed = await factories.data_of(database, "{ locations { code } }")
    return [location["code"] for location in listed["locations"]]


async def test_a_location_changes_what_is_named(database: Database) -> None:
    location = await factories.make_location(database)
    location_id = encode_id("Location", location.id)
    answer = await change(database, "Update", id=location_id, address=ADDRESS, expectedVersion=1)
    assert answer["location"] == {
        "code": location.code,
        "name": location.name,
        "version": 2,
        "address": {"city": "Austin"},
    }
    answer = await change(database, "Update", id=location_id, name="Dock", address=None)
    assert (answer["location"]["version"], answer["location"]["address"]) == (3, None)
    assert (await change(database, "Update", id=location_id, name="Dock"))["location"]["version"] == 3
    for wrong, path in (
        ({"name": ""}, ["name"]),
        ({"address": {**ADDRESS, "country": "XX"}}, ["address", "country"]),
        ({"expectedVersion": 1}, ["expectedVersion"]),
        ({"id": "garbage"}, ["id"]),
    ):
        answer = await change(database, "Update", **{"id": location_id, **wrong})
        assert [error["path"] for error in answer["userErrors"]] == [path]


async def test_a_location_is_archived_once_it_is_empty(database: Database) -> None:
    location = await factories.make_location(database)
    channel = await factories.make_channel(database)
    sold = await factories.make_variant(database, channel)
    await factories.give_stock(database, sold, location, 2)
    location_id = encode_id("Location", location.id)
    (error,) = (await change(database, "Archive", id=location_id))["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["id"])
    assert await codes(database) == [location.code]
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE stock_levels SET available = 0"))
    assert (await change(database, "Archive", id=location_id))["userErrors"] == []
    assert await codes(database) == []
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM channel_locations")) == 0
    (error,) = (await change(database, "Archive", id=location_id))["userErrors"]
    assert error["code"] == "NOT_FOUND"


async def test_locations_are_for_staff(database: Database) -> None:
    assert (await factories.execute(database, "{ locations { code } }", actor=ANONYMOUS)).errors


MOVE = """
mutation ($move: StockMoveInput!, $adjust: StockAdjustInput!) {
  stockMove(input: $move) { userErrors { code path } }
  stockAdjust(input: $adjust) { userErrors { code path } }
}
"""


async def test_an_archived_location_takes_no_stock(database: Database) -> None:
    location = await factories.make_location(database)
    sold = await factories.make_variant(database)
    assert (await change(database, "Archive", id=encode_id("Location", location.id)))["userErrors"] == []
    given = {"variant": {"sku": sold.sku}, "locationCode": location.code, "idempotencyKey": "k"}
    move = {**given, "from": "AVAILABLE", "to": "DAMAGED", "quantity": 1}
    adjust = {**given, "delta": 5, "reason": "RECEIVED"}
    answer = await factories.data_of(database, MOVE, {"move": move, "adjust": adjust})
    for payload in answer.values():
        assert payload["userErrors"] == [{"code": "NOT_FOUND", "path": ["locationCode"]}]
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM stock_levels")) == 0


@pytest.mark.parametrize("commits", [True, False])
async def test_stock_that_comes_while_a_location_is_archived_waits_for_it(
    database: Database, *, commits: bool
) -> None:
    location = await factories.make_location(database)
    sold = await factories.make_variant(database)
    given = {"variant": {"sku": sold.sku}, "locationCode": location.code, "idempotencyKey": "k"}
    async with database.engine.connect() as connection, connection.begin() as archiving:
        # As the service archives: the location is locked, and found empty.
        assert await rows.lock(connection, location.id) is not None
        assert await rows.lock_units(connection, location.id) == 0
        receiving = asyncio.create_task(
            factories.data_of(
                database,
                "mutation ($a: StockAdjustInput!) { stockAdjust(input: $a) { userErrors { code } } }",
                {"a": {**given, "delta": 5, "reason": "RECEIVED"}},
            )
        )
        await until_waiting(database)
        await rows.archive(connection, replace(location, version=2), SystemClock().now())
        if not commits:
            await archiving.rollback()
    errors = (await receiving)["stockAdjust"]["userErrors"]
    assert [error["code"] for error in errors] == (["NOT_FOUND"] if commits else [])


async def test_a_location_is_not_archived_while_stock_comes(database: Database) -> None:
    location = await factories.make_location(database)
    sold = await factories.make_variant(database)
    received = Change(
        VariantRef(id=sold.id), location.code, StockState.ADJUSTMENT, StockState.AVAILABLE, 5, "RECEIVED",
        "StockAdjusted", new_id(),
    )  # fmt: skip
    async with database.transaction() as connection:
        await inventory.change(connection, received, actor="test", now=SystemClock().now())
        archiving = asyncio.create_task(change(database, "Archive", id=encode_id("Location", location.id)))
        await until_waiting(database)
    assert [error["code"] for error in (await archiving)["userErrors"]] == ["INVALID_INPUT"]
