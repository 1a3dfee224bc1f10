"""Channels, through GraphQL on a real database."""

from typing import Any

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.channels import Channel
from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests import factories

CHANNEL = """
channel { id slug name currency version
          settings { locale reviewFrom { amount currency } servesAllLocations locationCodes } }
"""


def document(verb: str) -> str:
    return f"""
    mutation ($input: Channel{verb}Input!) {{
      channel{verb}(input: $input) {{ {CHANNEL} userErrors {{ __typename code path }} }}
    }}"""


async def change(database: Database, verb: str, **given: Any) -> dict[str, Any]:
    return dict((await factories.data_of(database, document(verb), {"input": given}))[f"channel{verb}"])


async def update(database: Database, channel: Channel, **given: Any) -> dict[str, Any]:
    answer = await change(database, "Update", id=encode_id("Channel", channel.id), **given)
    assert answer["userErrors"] == []
    return dict(answer["channel"])


async def test_a_channel_is_created_with_locations_in_order(database: Database) -> None:
    far, near = [await factories.make_location(database) for _ in range(2)]
    codes = [near.code, far.code]
    answer = await change(database, "Create", slug="web", name=" Web ", currency="KWD", locationCodes=codes)
    assert answer["userErrors"] == []
    channel = answer["channel"]
    assert (channel["slug"], channel["name"], channel["currency"], channel["version"]) == (
        "web",
        "Web",
        "KWD",
        1,
    )
    assert channel["settings"] == {
        "locale": "en",
        "reviewFrom": None,
        "servesAllLocations": False,
        "locationCodes": codes,
    }


async def test_a_channel_says_whether_unpaid_orders_wait(database: Database) -> None:
    channel = await factories.make_channel(database)
    seen = "query { channels { settings { holdUnpaid } } }"
    assert (await factories.data_of(database, seen))["channels"] == [{"settings": {"holdUnpaid": False}}]
    assert (await update(database, channel, holdUnpaid=True))["version"] == 2
    assert (await factories.data_of(database, seen))["channels"] == [{"settings": {"holdUnpaid": True}}]
    assert (await update(database, channel, name="Other"))["version"] == 3
    assert (await factories.data_of(database, seen))["channels"] == [{"settings": {"holdUnpaid": True}}]


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"slug": "taken"}, "INVALID_INPUT", ["slug"]),
        ({"slug": "Web"}, "INVALID_INPUT", ["slug"]),
        ({"slug": "-web"}, "INVALID_INPUT", ["slug"]),
        ({"slug": "x" * 64}, "INVALID_INPUT", ["slug"]),
        ({"name": "\t"}, "INVALID_INPUT", ["name"]),
        ({"currency": "usd"}, "INVALID_INPUT", ["currency"]),
        ({"currency": "XXXX"}, "INVALID_INPUT", ["currency"]),
        ({"currency": "XAU"}, "INVALID_INPUT", ["currency"]),
        ({"locationCodes": ["unknown"]}, "NOT_FOUND", ["locationCodes"]),
        ({"locationCodes": ["a b"]}, "NOT_FOUND", ["locationCodes"]),
        ({"locationCodes": ["known", "known"]}, "INVALID_INPUT", ["locationCodes"]),
    ],
)
async def test_bad_input_names_its_field(
    database: Database, given: dict[str, Any], code: str, path: list[str]
) -> None:
    await factories.make_location(database, "known")
    await factories.make_channel(database, "taken")
    answer = await change(database, "Create", **{"slug": "web", "name": "Web", "currency": "USD", **given})
    assert [(error["code"], error["path"]) for error in answer["userErrors"]] == [(code, path)]
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM channels")) == 1


async def test_a_channel_changes_what_is_named_and_keeps_the_rest(database: Database) -> None:
    channel = await factories.make_channel(database, currency="JPY")
    changed = await update(database, channel, locale="ja_jp", expectedVersion=1)
    assert (changed["version"], changed["name"], changed["settings"]["locale"]) == (2, channel.name, "ja-JP")
    limit = {"amount": "50000", "currency": "JPY"}
    changed = await update(database, channel, reviewFrom=limit, name="Nihon")
    assert (changed["version"], changed["settings"]["reviewFrom"]) == (3, limit)
    assert (await update(database, channel, name="Nihon"))["version"] == 3
    assert (await update(database, channel, reviewFrom=None))["settings"]["reviewFrom"] is None
    async with database.read() as connection:
        kinds = await connection.execute(
            text("SELECT kind, version FROM event_outbox WHERE aggregate = 'channel'")
        )
        assert [tuple(row) for row in kinds] == [
            ("ChannelCreated", 1),
            ("ChannelUpdated", 2),
            ("ChannelUpdated", 3),
            ("ChannelUpdated", 4),
        ]


async def test_the_order_of_locations_can_be_changed_and_opened_to_all(database: Database) -> None:
    first, second = [await factories.make_location(database) for _ in range(2)]
    channel = await factories.make_channel(database, location_codes=[first.code, second.code])
    changed = await update(database, channel, locationCodes=[second.code])
    assert changed["settings"]["locationCodes"] == [second.code]
    opened = (await update(database, channel, locationCodes=None))["settings"]
    assert (opened["servesAllLocations"], opened["locationCodes"]) == (True, [first.code, second.code])
    third = await factories.make_location(database)
    served = (await update(database, channel))["settings"]["locationCodes"]
    assert served == [first.code, second.code, third.code]
    closed = (await update(database, channel, locationCodes=[third.code, first.code]))["settings"]
    assert (closed["servesAllLocations"], closed["locationCodes"]) == (False, [third.code, first.code])
    assert (await update(database, channel, locationCodes=[]))["settings"]["locationCodes"] == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": ""}, ["name"]),
        ({"locale": "klingon!"}, ["locale"]),
        ({"locale": ""}, ["locale"]),
        ({"reviewFrom": {"amount": "1", "currency": "EUR"}}, ["reviewFrom", "currency"]),
        ({"reviewFrom": {"amount": "1.001", "currency": "USD"}}, ["reviewFrom", "amount"]),
        ({"locationCodes": ["unknown"]}, ["locationCodes"]),
        ({"expectedVersion": 9}, ["expectedVersion"]),
        ({"id": "garbage"}, ["id"]),
    ],
)
async def test_a_bad_change_names_its_field(
    database: Database, given: dict[str, Any], path: list[str]
) -> None:
    channel = await factories.make_channel(database)
    answer = await change(database, "Update", **{"id": encode_id("Channel", channel.id), **given})
    assert [error["path"] for error in answer["userErrors"]] == [path]


async def test_an_archived_channel_sells_nothing_and_cannot_change(database: Database) -> None:
    channel = await factories.make_channel(database)
    channel_id = encode_id("Channel", channel.id)
    assert (await change(database, "Archive", id=channel_id))["userErrors"] == []
    assert (await factories.data_of(database, "{ channels { slug } }"))["channels"] == []
    listed = await factories.execute(
        database, f'{{ products(channel: "{channel.slug}") {{ edges {{ cursor }} }} }}'
    )
    assert listed.errors
    for verb in ("Update", "Archive"):
        (error,) = (await change(database, verb, id=channel_id))["userErrors"]
        assert error["code"] == "NOT_FOUND"


async def test_settings_are_for_staff(database: Database) -> None:
    await factories.make_channel(database)
    shown = await factories.data_of(database, "{ channels { slug settings { locale } } }", actor=ANONYMOUS)
    assert [channel["settings"] for channel in shown["channels"]] == [None]
    for verb in ("Update", "Archive"):
        for actor in (ANONYMOUS, factories.make_app(Permission.CATALOG_WRITE)):
            result = await factories.execute(database, document(verb), {"input": {"id": "x"}}, actor)
            assert result.errors
