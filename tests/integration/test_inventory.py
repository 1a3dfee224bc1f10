"""Counts changed by hand, moves between states, levels and the ledger, through GraphQL."""

from typing import Any

import pytest
from sqlalchemy import text

from persistence.database import Database
from services.access import ANONYMOUS, Actor, Permission
from tests.factories import data_of, execute, make_app, make_location, make_shop, unique
from tests.statements import count_statements
from tests.stocked import assert_explained

LEVEL = "sku onHand available held committed safetyStock qualityControl damaged incoming location { code }"
ERRORS = """userErrors { __typename code message path
    ... on InsufficientStockError { sku requested available }
    ... on IllegalTransitionError { current allowed } }"""
ADJUST = f"""mutation ($input: StockAdjustInput!) {{
    stockAdjust(input: $input) {{ stockLevel {{ {LEVEL} }} {ERRORS} }} }}"""
MOVE = f"""mutation ($input: StockMoveInput!) {{
    stockMove(input: $input) {{ stockLevel {{ {LEVEL} }} {ERRORS} }} }}"""
LEVELS = f"query ($variant: VariantRef!) {{ stockLevels(variant: $variant) {{ {LEVEL} }} }}"
MOVEMENTS = """query ($variant: VariantRef!, $location: String, $first: Int, $after: String) {
    stockMovements(variant: $variant, locationCode: $location, first: $first, after: $after) {
        edges { cursor node { sku from to quantity reason sourceKind sourceId actor location { code } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def adjustment(sku: str, code: str, delta: int, **changes: Any) -> dict[str, Any]:
    """Return the variables of a stockAdjust."""
    wanted = {
        "variant": {"sku": sku},
        "locationCode": code,
        "delta": delta,
        "reason": "RECEIVED" if delta > 0 else "LOST",
        "idempotencyKey": unique("key"),
    }
    return {"input": {**wanted, **changes}}


async def adjust(database: Database, *arguments: Any, **changes: Any) -> dict[str, Any]:
    """Adjust as an app that may write stock; returns the payload."""
    actor = make_app(Permission.STOCK_WRITE)
    payload: dict[str, Any] = (await data_of(database, ADJUST, adjustment(*arguments, **changes), actor))[
        "stockAdjust"
    ]
    return payload


async def move(database: Database, sku: str, code: str, source: str, target: str, quantity: int) -> Any:
    """Move units; returns the payload."""
    wanted = {
        "variant": {"sku": sku},
        "locationCode": code,
        "from": source,
        "to": target,
        "quantity": quantity,
        "idempotencyKey": unique("key"),
    }
    return (await data_of(database, MOVE, {"input": wanted}))["stockMove"]


async def test_an_adjustment_makes_a_missing_level_and_explains_itself(database: Database) -> None:
    shop = await make_shop(database)
    sku, code = shop.variant.sku, shop.location.code

    received = await adjust(database, sku, code, 12)
    lost = await adjust(database, sku, code, -5)

    assert received["userErrors"] == lost["userErrors"] == []
    assert received["stockLevel"]["onHand"] == received["stockLevel"]["available"] == 12
    assert lost["stockLevel"]["onHand"] == lost["stockLevel"]["available"] == 7
    ledger = (await data_of(database, MOVEMENTS, {"variant": {"sku": sku}}))["stockMovements"]
    assert [
        (edge["node"]["from"], edge["node"]["to"], edge["node"]["quantity"], edge["node"]["reason"])
        for edge in ledger["edges"]
    ] == [("AVAILABLE", "ADJUSTMENT", 5, "LOST"), ("ADJUSTMENT", "AVAILABLE", 12, "RECEIVED")]
    assert ledger["edges"][0]["node"]["actor"].startswith("app:")
    await assert_explained(database)


async def test_a_key_adjusts_once_and_answers_the_same_again(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    actor = make_app(Permission.STOCK_WRITE)
    wanted = adjustment(shop.variant.sku, shop.location.code, -3)

    first = await data_of(database, ADJUST, wanted, actor)
    await adjust(database, shop.variant.sku, shop.location.code, -1)
    again = await data_of(database, ADJUST, wanted, actor)
    wanted["input"]["delta"] = -4
    other = await data_of(database, ADJUST, wanted, actor)

    assert again == first
    assert other["stockAdjust"]["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    [level] = (await data_of(database, LEVELS, {"variant": {"sku": shop.variant.sku}}))["stockLevels"]
    assert level["onHand"] == 6


async def test_one_adjustment_takes_five_statements(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    with count_statements(database) as statements:
        await adjust(database, shop.variant.sku, shop.location.code, -3)
    # BEGIN, the key, the change (one statement), answer, COMMIT
    assert len(statements) == 5, statements
    assert sum("stock" in sent for sent in statements) == 1


async def test_more_than_is_there_cannot_be_lost(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    [error] = (await adjust(database, shop.variant.sku, shop.location.code, -11))["userErrors"]
    assert error["__typename"] == "InsufficientStockError"
    assert (error["sku"], error["requested"], error["available"]) == (shop.variant.sku, 11, 10)
    await assert_explained(database)


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"delta": 0}, "INVALID_INPUT", ["delta"]),
        ({"delta": 10**9}, "INVALID_INPUT", ["delta"]),
        ({"variant": {"sku": "no such sku"}}, "NOT_FOUND", ["variant"]),
        ({"variant": {"sku": "nul\0"}}, "NOT_FOUND", ["variant"]),
        ({"variant": {"id": "Zm9v"}}, "INVALID_INPUT", ["variant", "id"]),
        ({"locationCode": "NOWHERE"}, "NOT_FOUND", ["locationCode"]),
        ({"locationCode": "\ud800"}, "NOT_FOUND", ["locationCode"]),
        ({"idempotencyKey": " "}, "INVALID_INPUT", ["idempotencyKey"]),
        ({"idempotencyKey": "x" * 256}, "INVALID_INPUT", ["idempotencyKey"]),
    ],
)
async def test_bad_input_is_named(
    database: Database, changes: dict[str, Any], code: str, path: list[str]
) -> None:
    shop = await make_shop(database, stock=10)
    wanted = adjustment(shop.variant.sku, shop.location.code, 1)
    wanted["input"].update(changes)
    payload = await data_of(database, ADJUST, wanted)
    [error] = payload["stockAdjust"]["userErrors"]
    assert (error["code"], error["path"]) == (code, path)


async def test_a_level_has_a_ceiling(database: Database) -> None:
    shop = await make_shop(database)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "SELECT stock_move(ARRAY[CAST(:v AS uuid)], ARRAY[CAST(:l AS uuid)], ARRAY['supplier'],"
                " ARRAY['available'], ARRAY[999999999], ARRAY['RECEIVED'], 'test', NULL, 'test', now())"
            ),
            {"v": shop.variant.id, "l": shop.location.id},
        )
    [error] = (await adjust(database, shop.variant.sku, shop.location.code, 2))["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["delta"])


async def test_damage_repair_inspection_buffer_and_scrap(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    sku, code = shop.variant.sku, shop.location.code
    for source, target, quantity in (
        ("AVAILABLE", "DAMAGED", 4),
        ("DAMAGED", "AVAILABLE", 1),
        ("DAMAGED", "SCRAP", 1),
        ("AVAILABLE", "QUALITY_CONTROL", 3),
        ("QUALITY_CONTROL", "DAMAGED", 1),
        ("AVAILABLE", "SAFETY_STOCK", 2),
    ):
        payload = await move(database, sku, code, source, target, quantity)
        assert payload["userErrors"] == []
    [level] = (await data_of(database, LEVELS, {"variant": {"sku": sku}}))["stockLevels"]
    counts = [level[state] for state in ("onHand", "available", "qualityControl", "safetyStock", "damaged")]
    assert counts == [9, 2, 2, 2, 3]
    await assert_explained(database)


async def test_moves_that_do_not_exist_or_are_too_large_are_refused(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    sku, code = shop.variant.sku, shop.location.code
    [illegal] = (await move(database, sku, code, "HELD", "AVAILABLE", 1))["userErrors"]
    [short] = (await move(database, sku, code, "DAMAGED", "AVAILABLE", 1))["userErrors"]
    [nothing] = (await move(database, sku, code, "AVAILABLE", "DAMAGED", 0))["userErrors"]
    assert (illegal["code"], illegal["current"], illegal["allowed"]) == ("ILLEGAL_TRANSITION", "HELD", [])
    assert (short["code"], short["requested"], short["available"]) == ("INSUFFICIENT_STOCK", 1, 0)
    assert (nothing["code"], nothing["path"]) == ("INVALID_INPUT", ["quantity"])


async def test_what_staff_change_leaves_an_audit_entry_of_what_differs(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    await move(database, shop.variant.sku, shop.location.code, "AVAILABLE", "DAMAGED", 4)
    async with database.read() as connection:
        entry = (
            await connection.execute(text("SELECT action, before, after FROM audit_entries ORDER BY id DESC"))
        ).first()
    assert entry is not None
    assert entry.action == "StockMoved"
    assert (entry.before, entry.after) == (
        {"available": 10, "damaged": 0},
        {"available": 6, "damaged": 4},
    )


async def test_levels_are_listed_by_location_code(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    other = await make_location(database, code=unique("AAA"))
    await adjust(database, shop.variant.sku, other.code, 3)
    levels = (await data_of(database, LEVELS, {"variant": {"sku": shop.variant.sku}}))["stockLevels"]
    assert [(level["location"]["code"], level["onHand"]) for level in levels] == [
        (other.code, 3),
        (shop.location.code, 10),
    ]
    unknown = await execute(database, LEVELS, {"variant": {"sku": "nothing"}})
    assert unknown.errors is not None


async def test_the_ledger_is_paged_without_gaps(database: Database) -> None:
    shop = await make_shop(database, stock=1)
    other = await make_location(database)
    for delta in range(2, 8):
        await adjust(database, shop.variant.sku, shop.location.code, delta)
    await adjust(database, shop.variant.sku, other.code, 50)
    seen: list[int] = []
    after = None
    while True:
        variables = {"variant": {"sku": shop.variant.sku}, "location": shop.location.code, "first": 3}
        page = (await data_of(database, MOVEMENTS, {**variables, "after": after}))["stockMovements"]
        seen += [edge["node"]["quantity"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("variables", [{"first": 0}, {"first": 101}, {"after": "x"}, {"location": "nope"}])
async def test_a_bad_page_is_refused(database: Database, variables: dict[str, Any]) -> None:
    shop = await make_shop(database, stock=1)
    result = await execute(database, MOVEMENTS, {"variant": {"sku": shop.variant.sku}, **variables})
    assert result.errors is not None


@pytest.mark.parametrize("actor", [ANONYMOUS, make_app(Permission.STOCK_READ)])
async def test_stock_is_changed_by_who_may(database: Database, actor: Actor) -> None:
    shop = await make_shop(database, stock=1)
    result = await execute(database, ADJUST, adjustment(shop.variant.sku, shop.location.code, 1), actor)
    assert result.errors is not None
    assert result.data == {"stockAdjust": None}
