"""Locations, through GraphQL on a real database."""

from typing import Any

import pytest

from persistence.database import Database
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
