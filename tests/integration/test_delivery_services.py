"""Carriers' services that a channel offers, as staff keep them."""

from typing import Any

import pytest

from persistence.database import Database
from providers.carriers.easypost import EasyPostCarrier
from services.access import SYSTEM, Permission
from tests import factories
from tests.labeled import carriers_of

SERVICE = (
    "id version provider code name carrier markupPercent markup { amount currency } handlingDays position"
)


def mutation(verb: str) -> str:
    return f"""
    mutation ($input: DeliveryService{verb}Input!) {{
      deliveryService{verb}(input: $input) {{
        deliveryService {{ {SERVICE} }} userErrors {{ __typename path }} }}
    }}
    """


async def change(database: Database, verb: str, given: dict[str, Any]) -> dict[str, Any]:
    carriers = {**carriers_of(database), "easypost": EasyPostCarrier("key")}
    data = await factories.data_of(database, mutation(verb), {"input": given}, SYSTEM, carriers=carriers)
    return dict(data[f"deliveryService{verb}"])


async def services_of(database: Database, channel: str) -> list[dict[str, Any]]:
    document = f"query ($channel: String!) {{ deliveryServices(channel: $channel) {{ {SERVICE} }} }}"
    return list((await factories.data_of(database, document, {"channel": channel}))["deliveryServices"])


async def test_staff_offer_change_and_withdraw_a_service(database: Database) -> None:
    channel = await factories.make_channel(database, currency="KWD")
    given = {
        "channel": channel.slug,
        "provider": "sandbox",
        "code": "EXPRESS",
        "markupPercent": "12.5",
        "markup": {"amount": "0.125", "currency": "KWD"},
        "handlingDays": 1,
    }
    service = (await change(database, "Create", given))["deliveryService"]
    assert (service["markupPercent"], service["markup"]) == ("12.5", {"amount": "0.125", "currency": "KWD"})
    for again in ("EXPRESS", " express "):
        twice = await change(database, "Create", {**given, "code": again})
        assert [error["path"] for error in twice["userErrors"]] == [["code"]]

    update = {"id": service["id"], "name": "Tomorrow", "markup": None}
    changed = (await change(database, "Update", update))["deliveryService"]
    assert (changed["name"], changed["markup"]["amount"], changed["version"]) == ("Tomorrow", "0.000", 2)
    assert changed["handlingDays"] == 1
    assert await services_of(database, channel.slug) == [changed]
    assert (await change(database, "Archive", {"id": service["id"]}))["userErrors"] == []
    assert await services_of(database, channel.slug) == []
    assert (await change(database, "Create", given))["userErrors"] == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"channel": "nowhere"}, ["channel"]),
        ({"provider": "nobody"}, ["provider"]),
        ({"code": ""}, ["code"]),
        ({"code": "/EXPRESS"}, ["code"]),
        ({"code": "EXPRESS\u202e"}, ["code"]),
        ({"code": "OVERNIGHT"}, ["code"]),
        ({"provider": "table_rate"}, ["code"]),
        ({"provider": "easypost"}, ["code"]),
        ({"markupPercent": "101"}, ["markupPercent"]),
        ({"markupPercent": "-1"}, ["markupPercent"]),
        ({"markupPercent": "1.00001"}, ["markupPercent"]),
        ({"markup": {"amount": "1", "currency": "EUR"}}, ["markup", "currency"]),
        ({"markup": {"amount": "-1", "currency": "USD"}}, ["markup", "amount"]),
        ({"handlingDays": -1}, ["handlingDays"]),
    ],
)
async def test_bad_input_names_its_field(database: Database, given: dict[str, Any], path: list[str]) -> None:
    channel = await factories.make_channel(database)
    usual = {"channel": channel.slug, "provider": "sandbox", "code": "EXPRESS"}
    answer = await change(database, "Create", {**usual, **given})
    assert [error["path"] for error in answer["userErrors"]] == [path]
    assert await services_of(database, channel.slug) == []


async def test_services_need_the_permission(database: Database) -> None:
    channel = await factories.make_channel(database)
    given = {"channel": channel.slug, "provider": "sandbox", "code": "EXPRESS"}
    stranger = factories.make_app(Permission.CATALOG_WRITE)
    assert (await factories.execute(database, mutation("Create"), {"input": given}, stranger)).errors
