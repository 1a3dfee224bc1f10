"""Delivery rates, through GraphQL on a real database."""

from typing import Any

import pytest
from sqlalchemy import text

from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests import factories

RATE = """
id version carrier service price { amount currency } countries minWeightGrams maxWeightGrams
minValue { amount } maxValue { amount } minDays maxDays position channel { slug }
"""
RATES = f"query ($channel: String!) {{ deliveryRates(channel: $channel) {{ {RATE} }} }}"


def mutation(verb: str) -> str:
    return f"""
    mutation ($input: DeliveryRate{verb}Input!) {{
      deliveryRate{verb}(input: $input) {{ deliveryRate {{ {RATE} }} userErrors {{ __typename code path }} }}
    }}
    """


async def change(database: Database, verb: str, given: dict[str, Any]) -> dict[str, Any]:
    data = await factories.data_of(database, mutation(verb), {"input": given})
    return dict(data[f"deliveryRate{verb}"])


async def rates_of(database: Database, channel: str) -> list[dict[str, Any]]:
    return list((await factories.data_of(database, RATES, {"channel": channel}, ANONYMOUS))["deliveryRates"])


def money(amount: str, currency: str = "USD") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def parcel(channel: str, **given: Any) -> dict[str, Any]:
    return {"channel": channel, "carrier": "Post", "service": "Parcel", "price": money("4.99"), **given}


async def test_a_new_channel_delivers_everywhere_for_nothing(database: Database) -> None:
    channel = await factories.make_channel(database, currency="JPY")
    (rate,) = await rates_of(database, channel.slug)
    assert (rate["carrier"], rate["service"], rate["countries"]) == ("Standard", "Standard", None)
    assert rate["price"] == {"amount": "0", "currency": "JPY"}


async def test_a_rate_is_created_changed_and_archived(database: Database) -> None:
    channel = await factories.make_channel(database)
    given = parcel(
        channel.slug,
        countries=["de", "AT"],
        minWeightGrams=100,
        maxWeightGrams=2000,
        minValue=money("10"),
        maxValue=money("99.99"),
        minDays=1,
        maxDays=3,
        position=-1,
    )
    created = await change(database, "Create", given)
    assert created["userErrors"] == []
    rate = created["deliveryRate"]
    assert (rate["countries"], rate["price"]["amount"], rate["minValue"]) == (
        ["AT", "DE"],
        "4.99",
        {"amount": "10.00"},
    )
    assert [one["service"] for one in await rates_of(database, channel.slug)] == ["Parcel", "Standard"]
    node = f'query {{ node(id: "{rate["id"]}") {{ ... on DeliveryRate {{ {RATE} }} }} }}'
    assert (await factories.data_of(database, node, actor=ANONYMOUS))["node"] == rate

    changes = {
        "id": rate["id"],
        "price": money("5.49"),
        "countries": None,
        "maxValue": None,
        "expectedVersion": 1,
    }
    changed = (await change(database, "Update", changes))["deliveryRate"]
    assert (changed["version"], changed["price"]["amount"]) == (2, "5.49")
    assert (changed["countries"], changed["maxValue"]) == (None, None)
    kept = ("carrier", "service", "minWeightGrams", "maxWeightGrams", "minValue", "minDays", "maxDays")
    assert [changed[field] for field in kept] == [rate[field] for field in kept]

    assert (await change(database, "Archive", {"id": rate["id"]}))["userErrors"] == []
    assert [one["service"] for one in await rates_of(database, channel.slug)] == ["Standard"]
    again = await change(database, "Archive", {"id": rate["id"]})
    assert [error["code"] for error in again["userErrors"]] == ["NOT_FOUND"]


async def test_every_change_is_told_and_audited(database: Database) -> None:
    channel = await factories.make_channel(database)
    rate = (await change(database, "Create", parcel(channel.slug)))["deliveryRate"]
    await change(database, "Update", {"id": rate["id"], "price": money("5.49")})
    await change(database, "Archive", {"id": rate["id"]})
    async with database.read() as connection:
        kinds = await connection.execute(
            text("SELECT kind, version FROM event_outbox WHERE aggregate = 'delivery_rate' ORDER BY id")
        )
        assert [tuple(row) for row in kinds] == [
            ("DeliveryRateCreated", 1),
            ("DeliveryRateUpdated", 2),
            ("DeliveryRateArchived", 3),
        ]
        entry = (
            await connection.execute(
                text("SELECT actor, before, after FROM audit_entries WHERE action = 'DeliveryRateUpdated'")
            )
        ).one()
    assert entry.actor == "system"
    assert entry.before["price_minor"] == 499
    assert entry.after["price_minor"] == 549
    assert "carrier" not in entry.after


async def test_a_change_that_changes_nothing_keeps_the_version(database: Database) -> None:
    channel = await factories.make_channel(database)
    rate = (await change(database, "Create", parcel(channel.slug)))["deliveryRate"]
    same = await change(database, "Update", {"id": rate["id"], "carrier": "Post"})
    assert same["deliveryRate"]["version"] == 1


async def test_an_out_of_date_version_is_refused(database: Database) -> None:
    channel = await factories.make_channel(database)
    rate = (await change(database, "Create", parcel(channel.slug)))["deliveryRate"]
    answer = await change(database, "Update", {"id": rate["id"], "carrier": "DHL", "expectedVersion": 7})
    assert [error["__typename"] for error in answer["userErrors"]] == ["VersionConflictError"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"channel": "nowhere"}, ["channel"]),
        ({"channel": "a\0b"}, ["channel"]),
        ({"carrier": " "}, ["carrier"]),
        ({"price": money("4.999")}, ["price", "amount"]),
        ({"price": money("4", "EUR")}, ["price", "currency"]),
        ({"price": money("-1")}, ["price", "amount"]),
        ({"countries": []}, ["countries"]),
        ({"countries": ["DE", "XX"]}, ["countries"]),
        ({"minWeightGrams": -1}, ["minWeightGrams"]),
        ({"minWeightGrams": 10, "maxWeightGrams": 10}, ["maxWeightGrams"]),
        ({"minValue": money("5"), "maxValue": money("5")}, ["maxValue"]),
        ({"minDays": 5, "maxDays": 4}, ["maxDays"]),
        ({"position": 10**9}, ["position"]),
    ],
)
async def test_bad_input_names_its_field(database: Database, given: dict[str, Any], path: list[str]) -> None:
    channel = await factories.make_channel(database)
    answer = await change(database, "Create", {**parcel(channel.slug), **given})
    assert [error["path"] for error in answer["userErrors"]] == [path]
    assert len(await rates_of(database, channel.slug)) == 1


@pytest.mark.parametrize("rate_id", ["garbage", "Q2hhbm5lbDow"])
async def test_a_foreign_id_is_not_a_rate(database: Database, rate_id: str) -> None:
    answer = await change(database, "Archive", {"id": rate_id})
    assert [error["path"] for error in answer["userErrors"]] == [["id"]]


async def test_changing_rates_needs_the_permission(database: Database) -> None:
    channel = await factories.make_channel(database)
    given = {"input": parcel(channel.slug)}
    result = await factories.execute(
        database, mutation("Create"), given, factories.make_app(Permission.CATALOG_WRITE)
    )
    assert result.errors
    allowed = factories.make_app(Permission.SHIPPING_WRITE)
    assert await factories.data_of(database, mutation("Create"), given, allowed)
