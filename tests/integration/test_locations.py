"""Locations, through GraphQL on a real database."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from persistence.database import Database
from services.access import ANONYMOUS
from tests import factories

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
