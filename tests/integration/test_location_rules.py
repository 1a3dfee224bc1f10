"""What locations can do, through GraphQL on a real database."""

from typing import Any

import pytest

from api.scalars import encode_id
from domain.catalog import Variant
from domain.kernel.ids import new_id
from domain.locations import Location
from persistence.database import Database
from services.access import Permission
from tests import factories

UPDATE = """
mutation ($input: LocationRulesUpdateInput!) {
  locationRulesUpdate(input: $input) {
    location {
      version
      rules {
        kind coordinates { latitude longitude } timeZone workingDays holidays cutOff dailyCapacity ships
        pickup tags closures { day reason }
      }
    }
    userErrors { __typename path }
  }
}
"""
TAGS = """
mutation ($input: VariantTagsSetInput!) {
  variantTagsSet(input: $input) { variant { sku version } tags userErrors { __typename path } }
}
"""


async def update(database: Database, location: Location, **given: Any) -> dict[str, Any]:
    values = {"input": {"id": encode_id("Location", location.id), **given}}
    return dict((await factories.data_of(database, UPDATE, values))["locationRulesUpdate"])


async def test_a_location_says_what_it_can_do(database: Database) -> None:
    location = await factories.make_location(database)
    given = {
        "kind": "STORE",
        "coordinates": {"latitude": 52.52, "longitude": 13.405},
        "timeZone": "Europe/Berlin",
        "workingDays": [6, 1, 2],
        "holidays": "DE-BE",
        "cutOff": "14:30:00",
        "dailyCapacity": 40,
        "ships": False,
        "pickup": True,
        "tags": ["hazmat", "cold"],
        "closures": [{"day": "2030-05-02", "reason": "stocktaking"}, {"day": "2030-05-01"}],
    }
    answer = await update(database, location, **given)
    assert answer["userErrors"] == []
    assert answer["location"]["version"] == 2
    told = {**given, "workingDays": [1, 2, 6], "tags": ["cold", "hazmat"]}
    told["closures"] = [{"day": "2030-05-01", "reason": None}, {"day": "2030-05-02", "reason": "stocktaking"}]
    assert answer["location"]["rules"] == told
    again = await update(database, location, **given)
    assert again["location"]["version"] == 2, "nothing changed"
    cleared = await update(database, location, coordinates=None, cutOff=None, closures=[], dailyCapacity=None)
    rules = cleared["location"]["rules"]
    assert (rules["coordinates"], rules["cutOff"], rules["closures"], rules["dailyCapacity"]) == (
        None,
        None,
        [],
        None,
    )
    assert rules["timeZone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"coordinates": {"latitude": 90.1, "longitude": 0}}, ["coordinates", "latitude"]),
        ({"coordinates": {"latitude": 0, "longitude": -181}}, ["coordinates", "longitude"]),
        ({"timeZone": "Mars/Olympus"}, ["timeZone"]),
        ({"timeZone": "\u0000"}, ["timeZone"]),
        ({"workingDays": []}, ["workingDays"]),
        ({"workingDays": [8]}, ["workingDays"]),
        ({"holidays": "XX"}, ["holidays"]),
        ({"dailyCapacity": 0}, ["dailyCapacity"]),
        ({"tags": ["Hazmat!"]}, ["tags", "0"]),
        ({"tags": ["a"] * 51}, ["tags"]),
        ({"closures": [{"day": "2030-05-02"}, {"day": "2030-05-02"}]}, ["closures", "1", "day"]),
        ({"closures": [{"day": "2030-05-02", "reason": " "}]}, ["closures", "0", "reason"]),
        ({"expectedVersion": 7}, ["expectedVersion"]),
    ],
)
async def test_rules_that_cannot_be_are_refused(
    database: Database, given: dict[str, Any], path: list[str]
) -> None:
    location = await factories.make_location(database)
    answer = await update(database, location, **given)
    assert answer["location"] is None
    assert [one["path"] for one in answer["userErrors"]] == [path]


async def test_rules_are_for_staff(database: Database) -> None:
    location = await factories.make_location(database)
    values = {"input": {"id": encode_id("Location", location.id), "ships": False}}
    actor = factories.make_app(Permission.STOCK_READ)
    refused = await factories.execute(database, UPDATE, values, actor)
    assert refused.errors is not None
    unknown = {"input": {"id": encode_id("Location", new_id())}}
    answer = (await factories.data_of(database, UPDATE, unknown))["locationRulesUpdate"]
    assert answer["userErrors"] == [{"__typename": "NotFoundError", "path": ["id"]}]


async def set_tags(database: Database, variant: Variant, *tags: str) -> dict[str, Any]:
    values = {"input": {"variant": {"sku": variant.sku}, "tags": list(tags)}}
    return dict((await factories.data_of(database, TAGS, values))["variantTagsSet"])


async def test_a_variant_says_which_goods_it_is_of(database: Database) -> None:
    variant = await factories.make_variant(database)
    answer = await set_tags(database, variant, "hazmat", "cold", "hazmat")
    assert (answer["tags"], answer["variant"]["version"]) == (["cold", "hazmat"], 2)
    assert (await set_tags(database, variant, "cold", "hazmat"))["variant"]["version"] == 2
    refused = await set_tags(database, variant, "Ünsafe")
    assert refused["userErrors"] == [{"__typename": "InvalidInputError", "path": ["tags", "0"]}]
