"""Discounts as staff keep them, through GraphQL on a real database."""

import asyncio
from typing import Any

import pytest

from persistence.database import Database
from services.access import Permission
from tests.cart_flows import run_sql
from tests.factories import data_of, execute, make_app, make_channel, make_discount

DISCOUNT = """id version kind name code percent amount { amount currency } buyQuantity getQuantity
    minimumSubtotal { amount } skus startsAt endsAt usageLimit usageLimitPerCustomer used combinable priority
    active channel { slug }"""


async def change(database: Database, verb: str, given: dict[str, Any]) -> Any:
    document = f"""mutation ($input: Discount{verb}Input!) {{ discount{verb}(input: $input) {{
        discount {{ {DISCOUNT} }} userErrors {{ __typename code message path }} }} }}"""
    actor = make_app(Permission.PRICING_WRITE)
    return (await data_of(database, document, {"input": given}, actor))[f"discount{verb}"]


def tenth(channel: str, **more: Any) -> dict[str, Any]:
    return {"channel": channel, "kind": "PERCENTAGE", "name": "Tenth", "percent": "10", **more}


async def test_a_discount_is_made_changed_and_taken_out_of_use(database: Database) -> None:
    channel = await make_channel(database, currency="KWD")
    given = {
        "channel": channel.slug,
        "kind": "FIXED_AMOUNT",
        "name": "Welcome",
        "code": "Hello",
        "amount": {"amount": "1.250", "currency": "KWD"},
        "minimumSubtotal": {"amount": "10", "currency": "KWD"},
        "skus": ["b", "a"],
        "startsAt": "2026-01-01T00:00:00Z",
        "usageLimit": 5,
        "usageLimitPerCustomer": 1,
        "combinable": False,
        "priority": -3,
    }
    made = (await change(database, "Create", given))["discount"]
    assert made["amount"] == {"amount": "1.250", "currency": "KWD"}
    assert (made["skus"], made["minimumSubtotal"]["amount"], made["used"]) == (["a", "b"], "10.000", 0)

    changed = (
        await change(database, "Update", {"id": made["id"], "skus": None, "usageLimit": None, "name": "Hi"})
    )["discount"]
    assert changed == {**made, "version": 2, "skus": None, "usageLimit": None, "name": "Hi"}
    same = (await change(database, "Update", {"id": made["id"], "name": "Hi"}))["discount"]
    assert same["version"] == 2
    gone = (await change(database, "Deactivate", {"id": made["id"], "expectedVersion": 2}))["discount"]
    assert (gone["active"], gone["version"]) == (False, 3)
    audit = await run_sql(
        database, "SELECT action, before, after FROM audit_entries WHERE target_kind = 'discount' ORDER BY id"
    )
    assert [row.action for row in audit] == ["DiscountCreated", "DiscountUpdated", "DiscountUpdated"]
    assert (audit[2].before, audit[2].after) == (
        {"active": True, "version": 2},
        {"active": False, "version": 3},
    )
    events = await run_sql(
        database, "SELECT kind, version FROM event_outbox WHERE aggregate = 'discount' ORDER BY id"
    )
    assert [row.version for row in events] == [1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"channel": "nowhere"}, ["channel"]),
        ({"channel": "\ud800"}, ["channel"]),
        ({"name": "\ud800"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"code": "a b"}, ["code"]),
        ({"percent": "0"}, ["percent"]),
        ({"percent": "-5"}, ["percent"]),
        ({"percent": "100.5"}, ["percent"]),
        ({"percent": "12.345"}, ["percent"]),
        ({"percent": "1e-999999"}, ["percent"]),
        ({"percent": None}, ["percent"]),
        ({"amount": {"amount": "1", "currency": "USD"}}, ["amount"]),
        ({"buyQuantity": 1}, ["buyQuantity"]),
        ({"skus": []}, ["skus"]),
        ({"skus": ["\ud800"]}, ["skus"]),
        ({"skus": [""]}, ["skus"]),
        ({"usageLimit": 0}, ["usageLimit"]),
        ({"usageLimit": -1}, ["usageLimit"]),
        ({"usageLimitPerCustomer": 0}, ["usageLimitPerCustomer"]),
        ({"priority": 2_000_000_000}, ["priority"]),
        ({"endsAt": "2026-01-01T00:00:00Z", "startsAt": "2026-01-01T00:00:00Z"}, ["endsAt"]),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, ["startsAt"]),
        ({"minimumSubtotal": {"amount": "-1", "currency": "USD"}}, ["minimumSubtotal", "amount"]),
        ({"minimumSubtotal": {"amount": "1", "currency": "EUR"}}, ["minimumSubtotal", "currency"]),
        ({"minimumSubtotal": {"amount": "0.001", "currency": "USD"}}, ["minimumSubtotal", "amount"]),
        ({"minimumSubtotal": {"amount": "1e30", "currency": "USD"}}, ["minimumSubtotal", "amount"]),
    ],
)
async def test_what_makes_no_discount_names_its_field(
    database: Database, changes: dict[str, Any], path: list[str]
) -> None:
    channel = await make_channel(database)

    refused = await change(database, "Create", {**tenth(channel.slug), **changes})

    assert refused["discount"] is None
    assert [error["path"] for error in refused["userErrors"]] == [path]


@pytest.mark.parametrize(
    ("amount", "path"),
    [
        ({"amount": "-0.01", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "0", "currency": "USD"}, ["amount"]),
        ({"amount": "1", "currency": "EUR"}, ["amount", "currency"]),
        ({"amount": "1", "currency": "usd"}, ["amount", "currency"]),
        ({"amount": "1.001", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "10000000000000.01", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "1e999999", "currency": "USD"}, ["amount", "amount"]),
        ({"amount": "NaN", "currency": "USD"}, ["amount", "amount"]),
        (None, ["amount"]),
    ],
)
async def test_an_amount_tampered_with_is_a_typed_error(
    database: Database, amount: dict[str, str] | None, path: list[str]
) -> None:
    channel = await make_channel(database)
    given = {"channel": channel.slug, "kind": "FIXED_AMOUNT", "name": "Off", "amount": amount}

    refused = await change(database, "Create", given)

    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("INVALID_INPUT", path)]
    made = (await change(database, "Create", {**given, "amount": {"amount": "1", "currency": "USD"}}))[
        "discount"
    ]
    if amount is not None:
        refused = await change(database, "Update", {"id": made["id"], "amount": amount})
        assert [error["path"] for error in refused["userErrors"]] == [path]


async def test_a_code_is_taken_once_a_channel_in_whatever_letters(database: Database) -> None:
    channel, other = await make_channel(database), await make_channel(database)
    first, second = await asyncio.gather(
        *(change(database, "Create", tenth(channel.slug, code=code)) for code in ("Hello", "HELLO"))
    )

    errors = first["userErrors"] + second["userErrors"]
    assert [(error["code"], error["path"]) for error in errors] == [("INVALID_INPUT", ["code"])]
    assert (await change(database, "Create", tenth(other.slug, code="hello")))["userErrors"] == []


async def test_a_limit_is_not_set_below_what_is_used(database: Database) -> None:
    channel = await make_channel(database)
    made = (await change(database, "Create", tenth(channel.slug, usageLimit=5)))["discount"]
    await run_sql(database, "UPDATE discounts SET used = 3")

    refused = await change(database, "Update", {"id": made["id"], "usageLimit": 2})

    assert [error["path"] for error in refused["userErrors"]] == [["usageLimit"]]
    assert (await change(database, "Update", {"id": made["id"], "usageLimit": 3}))["userErrors"] == []


async def test_so_many_apply_by_themselves_and_no_more(database: Database) -> None:
    channel = await make_channel(database)
    for _ in range(50):
        await make_discount(database, channel)
    spare = await change(database, "Create", tenth(channel.slug))
    assert [error["path"] for error in spare["userErrors"]] == [["channel"]]
    assert (await change(database, "Create", tenth(channel.slug, code="ok")))["userErrors"] == []


async def test_discounts_are_listed_newest_first_page_by_page(database: Database) -> None:
    channel, other = await make_channel(database), await make_channel(database)
    for number in range(3):
        await make_discount(database, channel, code=f"C{number}")
    await make_discount(database, other, code="C1")
    document = """query ($channel: String, $after: String, $code: String) {
        discounts(channel: $channel, first: 2, after: $after, code: $code) {
            edges { node { code channel { slug } } } pageInfo { hasNextPage endCursor } } }"""

    first = (await data_of(database, document, {"channel": channel.slug}))["discounts"]
    rest = (
        await data_of(database, document, {"channel": channel.slug, "after": first["pageInfo"]["endCursor"]})
    )["discounts"]
    coded = (await data_of(database, document, {"code": "c1"}))["discounts"]

    assert [edge["node"]["code"] for edge in first["edges"] + rest["edges"]] == ["C2", "C1", "C0"]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert {edge["node"]["channel"]["slug"] for edge in coded["edges"]} == {channel.slug, other.slug}
    for code in ("\ud800", "a b"):
        assert (await data_of(database, document, {"code": code}))["discounts"]["edges"] == []


async def test_changing_prices_has_a_permission_of_its_own(database: Database) -> None:
    others = make_app(*(one for one in Permission if one is not Permission.PRICING_WRITE))
    result = await execute(database, "{ discounts { edges { cursor } } }", actor=others)

    assert result.errors is not None
    assert "pricing.write" in result.errors[0].message
