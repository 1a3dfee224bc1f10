"""Rules of approval through GraphQL: made, changed and taken away by who may, checked, and on record."""

from typing import Any

import pytest
from sqlalchemy import text

from domain.approvals import MAX_RULES
from persistence.database import Database
from services.access import Permission
from tests.checkouts import Shop, make_stocked_shop
from tests.factories import data_of, execute, make_app, make_channel
from tests.reviews import ordered, reasons
from tests.statements import count_statements

STAFF = make_app(Permission.APPROVALS_WRITE)
RULE = """{ id version kind action priority active channel { slug } amountFrom { amount currency }
    countries ordersFrom withinMinutes countedBy scoreFrom }"""


def amount(amount: str, currency: str = "USD") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


USD_10 = amount("10.00")


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_stocked_shop(database, 9, slug="web")


async def change(database: Database, verb: str, **given: Any) -> dict[str, Any]:
    document = f"""mutation ($input: ApprovalRule{verb}Input!) {{ approvalRule{verb}(input: $input) {{
        approvalRule {RULE} userErrors {{ code path message }} }} }}"""
    return dict((await data_of(database, document, {"input": given}, STAFF))[f"approvalRule{verb}"])


async def make(database: Database, kind: str, **given: Any) -> dict[str, Any]:
    made = await change(database, "Create", **{"channel": "web", "kind": kind, "action": "REVIEW", **given})
    assert made["userErrors"] == []
    return dict(made["approvalRule"])


async def rules(database: Database) -> list[dict[str, Any]]:
    document = f'{{ approvalRules(channel: "web") {RULE} }}'
    found: list[dict[str, Any]] = (await data_of(database, document, actor=STAFF))["approvalRules"]
    return found


async def test_a_rule_is_made_changed_and_taken_away(database: Database, shop: Shop) -> None:
    made = await make(database, "AMOUNT_FROM", amountFrom=USD_10, priority=5)
    assert (made["kind"], made["action"], made["active"], made["version"]) == (
        "AMOUNT_FROM",
        "REVIEW",
        True,
        1,
    )
    assert (made["channel"], made["amountFrom"]) == ({"slug": "web"}, USD_10)
    first = await make(database, "VELOCITY", ordersFrom=3, withinMinutes=60, countedBy=["EMAIL"])
    assert [one["id"] for one in await rules(database)] == [first["id"], made["id"]]
    assert await reasons(database, await ordered(database, shop)) == ["AMOUNT_FROM"]

    raised = {"amount": "100", "currency": "USD"}
    changed = await change(database, "Update", id=made["id"], amountFrom=raised, expectedVersion=1)
    assert changed["approvalRule"]["amountFrom"]["amount"] == "100.00"
    assert (changed["approvalRule"]["version"], changed["approvalRule"]["priority"]) == (2, 5)
    assert await reasons(database, await ordered(database, shop)) == []
    same = await change(database, "Update", id=made["id"], priority=5)
    assert same["approvalRule"]["version"] == 2, "what changes nothing is no change"
    stale = await change(database, "Update", id=made["id"], active=False, expectedVersion=1)
    assert stale["userErrors"][0]["code"] == "VERSION_CONFLICT"

    gone = await change(database, "Delete", id=made["id"], expectedVersion=2)
    assert gone["approvalRule"]["id"] == made["id"]
    assert [one["id"] for one in await rules(database)] == [first["id"]]
    again = await change(database, "Delete", id=made["id"])
    assert (again["userErrors"][0]["code"], again["userErrors"][0]["path"]) == ("NOT_FOUND", ["id"])


async def test_every_change_is_on_record(database: Database, shop: Shop) -> None:
    made = await make(database, "SHIPPING_COUNTRY", countries=["fr"])
    await change(database, "Update", id=made["id"], countries=["DE", "FR"], action="DECLINE")
    await change(database, "Delete", id=made["id"])
    async with database.read() as connection:
        trail = (
            await connection.execute(
                text(
                    "SELECT actor, action, before, after FROM audit_entries"
                    " WHERE target_kind = 'approval_rule' ORDER BY id"
                )
            )
        ).all()
        told = (
            await connection.execute(
                text("SELECT kind, version FROM event_outbox WHERE aggregate = 'approval_rule' ORDER BY id")
            )
        ).all()
    verbs = ["Created", "Updated", "Deleted"]
    assert [row.action for row in trail] == [f"ApprovalRule{verb}" for verb in verbs]
    assert {row.actor for row in trail} == {STAFF.label}
    assert trail[1].before == {"action": "REVIEW", "countries": ["FR"], "version": 1}
    assert trail[1].after == {"action": "DECLINE", "countries": ["DE", "FR"], "version": 2}
    assert trail[2].after is None
    assert [(row.kind, row.version) for row in told] == [
        (f"ApprovalRule{verb}", version) for version, verb in enumerate(verbs, 1)
    ]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"kind": "AMOUNT_FROM"}, ["amountFrom"]),
        (
            {"kind": "AMOUNT_FROM", "amountFrom": {"amount": "-1", "currency": "USD"}},
            ["amountFrom", "amount"],
        ),
        (
            {"kind": "AMOUNT_FROM", "amountFrom": {"amount": "1", "currency": "EUR"}},
            ["amountFrom", "currency"],
        ),
        (
            {"kind": "AMOUNT_FROM", "amountFrom": {"amount": "0.001", "currency": "USD"}},
            ["amountFrom", "amount"],
        ),
        (
            {"kind": "AMOUNT_FROM", "amountFrom": {"amount": "1e30", "currency": "USD"}},
            ["amountFrom", "amount"],
        ),
        ({"kind": "COUNTRY_MISMATCH", "scoreFrom": 5}, ["scoreFrom"]),
        ({"kind": "SHIPPING_COUNTRY"}, ["countries"]),
        ({"kind": "SHIPPING_COUNTRY", "countries": []}, ["countries"]),
        ({"kind": "SHIPPING_COUNTRY", "countries": ["XX"]}, ["countries"]),
        ({"kind": "VELOCITY", "ordersFrom": 1}, ["withinMinutes"]),
        ({"kind": "VELOCITY", "ordersFrom": 0, "withinMinutes": 1}, ["ordersFrom"]),
        ({"kind": "VELOCITY", "ordersFrom": 1, "withinMinutes": 2_000_000_000}, ["withinMinutes"]),
        ({"kind": "VELOCITY", "ordersFrom": 1, "withinMinutes": 1, "countedBy": []}, ["countedBy"]),
        ({"kind": "FIRST_ORDER", "amountFrom": USD_10, "countries": ["FR"]}, ["countries"]),
        ({"kind": "PROVIDER_RISK", "scoreFrom": 101}, ["scoreFrom"]),
        ({"kind": "CREDIT_LIMIT", "priority": 10_001}, ["priority"]),
        ({"kind": "CREDIT_LIMIT", "channel": "nowhere"}, ["channel"]),
    ],
)
async def test_what_is_wrong_is_named(
    database: Database, shop: Shop, given: dict[str, Any], path: list[str]
) -> None:
    answer = await change(database, "Create", **{"channel": "web", "action": "REVIEW", **given})
    assert answer["approvalRule"] is None
    assert [error["path"] for error in answer["userErrors"]] == [path]
    assert await rules(database) == []


async def test_a_rule_cannot_lose_what_it_needs(database: Database, shop: Shop) -> None:
    made = await make(database, "PROVIDER_RISK", scoreFrom=50)
    freed = await change(database, "Update", id=made["id"], scoreFrom=None)
    assert freed["approvalRule"]["scoreFrom"] is None
    wrong = await change(database, "Update", id=made["id"], ordersFrom=3)
    assert [error["path"] for error in wrong["userErrors"]] == [["ordersFrom"]]


async def test_a_channel_has_so_many_rules_and_they_are_read_in_one_statement(
    database: Database, shop: Shop
) -> None:
    for _ in range(MAX_RULES):
        await make(database, "CREDIT_LIMIT")
    more = await change(database, "Create", channel="web", kind="CREDIT_LIMIT", action="REVIEW")
    assert more["userErrors"][0]["path"] == ["channel"]
    with count_statements(database) as sent:
        assert len(await rules(database)) == MAX_RULES
    assert len(sent) <= 2, sent


async def test_rules_are_for_who_may_change_them(database: Database) -> None:
    await make_channel(database, "web")
    reader = make_app(Permission.ORDERS_READ, Permission.ORDERS_WRITE, Permission.CHANNELS_WRITE)
    denied = await execute(database, '{ approvalRules(channel: "web") { id } }', actor=reader)
    assert denied.data == {"approvalRules": None}
    assert "approvals.write" in str(denied.errors)
