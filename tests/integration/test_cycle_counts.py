"""Cycle counts through GraphQL: blind, compared with the moment of counting, approved by somebody else."""

import asyncio
from typing import Any

from sqlalchemy import text

from domain.kernel.errors import AccessDenied, InsufficientStock
from persistence.database import Database
from services.access import Actor, Permission
from tests.checkouts import Shop, levels, make_ready_cart, make_stocked_shop, order_now
from tests.factories import data_of, execute, give_stock, make_app, make_channel, make_variant, unique
from tests.statements import count_statements
from tests.stocked import assert_explained

COUNT = """cycleCount { id number version status rejectionReason closedAt location { code }
    lines { sku status expected counted recounted difference booked } }"""
ERRORS = "userErrors { __typename code message path ... on IllegalTransitionError { current allowed } }"
LIST = """query ($location: String, $status: CycleCountStatus, $first: Int, $after: String) {
    cycleCounts(locationCode: $location, status: $status, first: $first, after: $after) {
        edges { node { number } } pageInfo { hasNextPage endCursor } } }"""
CLERK = make_app(Permission.STOCK_READ, Permission.STOCK_WRITE)
LEAD = make_app(Permission.STOCK_READ, Permission.STOCK_WRITE, Permission.STOCK_APPROVE)


async def ask(database: Database, name: str, actor: Actor = CLERK, **values: Any) -> dict[str, Any]:
    """Send one mutation of cycle counts; returns its payload."""
    short = name.removeprefix("cycleCount")
    kind = f"CycleCount{'Action' if short in {'Submit', 'Approve', 'Cancel'} else short}Input"
    document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {COUNT} {ERRORS} }} }}"
    payload: dict[str, Any] = (await data_of(database, document, {"input": values}, actor))[name]
    return payload


def wanted(shop: Shop, **changes: Any) -> dict[str, Any]:
    """Return the input of a count of the shop's variant at its first location."""
    variants, code = [{"sku": shop.variant.sku}], shop.locations[0].code
    return {"locationCode": code, "variants": variants, "idempotencyKey": unique("key"), **changes}


async def opened(database: Database, shop: Shop, actor: Actor = CLERK, **changes: Any) -> dict[str, Any]:
    """Open a count of the shop's variant at its first location; returns it."""
    payload = await ask(database, "cycleCountCreate", actor, **wanted(shop, **changes))
    assert payload["userErrors"] == []
    return dict(payload["cycleCount"])


async def found(
    database: Database, count: dict[str, Any], units: int, actor: Actor = CLERK, **changes: Any
) -> dict[str, Any]:
    """Record units of the count's first line; returns the payload."""
    lines = [{"code": count["lines"][0]["sku"], "units": units}]
    given = {"id": count["id"], "lines": lines, "idempotencyKey": unique("key"), **changes}
    return await ask(database, "cycleCountRecord", actor, **given)


async def counted(database: Database, shop: Shop, units: int, **changes: Any) -> dict[str, Any]:
    """Open a count, record the units and submit it; returns the count."""
    count = await opened(database, shop, LEAD, **changes)
    assert (await found(database, count, units))["userErrors"] == []
    payload = await ask(database, "cycleCountSubmit", id=count["id"])
    assert payload["userErrors"] == []
    return dict(payload["cycleCount"])


async def test_a_difference_waits_for_approval_and_is_booked_by_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    submitted = await counted(database, shop, 7)
    assert (submitted["status"], submitted["closedAt"]) == ("SUBMITTED", None)
    assert await levels(database, shop) == [(10, 0, 0)]

    approved = (await ask(database, "cycleCountApprove", LEAD, id=submitted["id"]))["cycleCount"]

    assert approved["status"] == "APPROVED"
    assert approved["closedAt"] is not None
    assert approved["lines"] == [
        {"sku": shop.variant.sku, "status": "BOOKED", "expected": 10, "counted": 7, "recounted": None,
         "difference": -3, "booked": -3}
    ]  # fmt: skip
    assert await levels(database, shop) == [(7, 0, 0)]
    await assert_explained(database)
    async with database.read() as connection:
        ledger = await connection.execute(
            text("SELECT quantity, reason, source_kind FROM stock_movements WHERE to_state = 'adjustment'")
        )
        assert [tuple(row) for row in ledger] == [(3, "COUNTED", "cycle_count")]


async def test_differences_within_the_tolerance_are_booked_at_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 100)

    by_units = await counted(database, shop, 98, toleranceUnits=2)
    by_percent = await counted(database, shop, 102, tolerancePercent=5)
    beyond = await counted(database, shop, 96, toleranceUnits=2, tolerancePercent=5)

    assert [one["status"] for one in (by_units, by_percent, beyond)] == ["APPROVED", "APPROVED", "SUBMITTED"]
    assert await levels(database, shop) == [(102, 0, 0)]
    await assert_explained(database)


async def test_sales_between_counting_and_approval_do_not_disturb(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    count = await opened(database, shop)
    await order_now(database, shop, 2)
    await found(database, count, 9)
    await order_now(database, shop, 3)
    await ask(database, "cycleCountSubmit", id=count["id"])

    approved = (await ask(database, "cycleCountApprove", LEAD, id=count["id"]))["cycleCount"]

    (line,) = approved["lines"]
    assert (line["expected"], line["difference"], line["booked"]) == (10, -1, -1)
    assert await levels(database, shop) == [(4, 0, 5)]
    await assert_explained(database)


async def test_what_is_missing_beyond_free_units_is_taken_from_the_newest_holds_then_orders(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 6)
    await order_now(database, shop, 3)
    await make_ready_cart(database, shop, 2)
    submitted = await counted(database, shop, 2)

    await ask(database, "cycleCountApprove", LEAD, id=submitted["id"])

    assert await levels(database, shop) == [(0, 0, 2)]
    await assert_explained(database)
    async with database.read() as connection:
        short = await connection.execute(
            text("SELECT f.status, l.quantity_short FROM fulfillment_orders f"
                 " JOIN fulfillment_order_lines l ON l.fulfillment_order_id = f.id")
        )  # fmt: skip
        assert [tuple(row) for row in short] == [("ON_HOLD", 1)]


async def test_units_that_have_left_since_cannot_be_missing_too(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    submitted = await counted(database, shop, 2)
    adjust = """mutation ($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code } } }"""
    given = {
        "variant": {"sku": shop.variant.sku},
        "locationCode": shop.locations[0].code,
        "delta": -5,
        "reason": "LOST",
        "idempotencyKey": unique("key"),
    }
    await data_of(database, adjust, {"input": given})

    approved = (await ask(database, "cycleCountApprove", LEAD, id=submitted["id"]))["cycleCount"]

    assert (approved["lines"][0]["difference"], approved["lines"][0]["booked"]) == (-8, -5)
    assert await levels(database, shop) == [(0, 0, 0)]
    await assert_explained(database)


async def test_who_may_not_approve_counts_blind(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    count = await opened(database, shop)

    seen = (await found(database, count, 7))["cycleCount"]["lines"][0]
    lead = (await found(database, count, 7, LEAD))["cycleCount"]["lines"][0]

    assert (seen["counted"], seen["expected"], seen["difference"]) == (7, None, None)
    assert (lead["recounted"], lead["expected"], lead["difference"]) == (7, 10, -3)


async def test_who_counted_may_not_approve(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    count = await opened(database, shop)
    await found(database, count, 7, LEAD)
    await ask(database, "cycleCountSubmit", LEAD, id=count["id"])

    refused = await ask(database, "cycleCountApprove", LEAD, id=count["id"])

    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("SAME_ACTOR", ["id"])]
    assert await levels(database, shop) == [(10, 0, 0)]


async def test_a_rejected_count_is_counted_again(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    submitted = await counted(database, shop, 7)

    rejected = await ask(database, "cycleCountReject", LEAD, id=submitted["id"], reason="look in aisle 4")
    early = await ask(database, "cycleCountSubmit", id=submitted["id"])
    again = (await found(database, submitted, 10))["cycleCount"]
    done = (await ask(database, "cycleCountSubmit", id=submitted["id"]))["cycleCount"]

    assert (rejected["cycleCount"]["status"], rejected["cycleCount"]["rejectionReason"]) == (
        "OPEN",
        "look in aisle 4",
    )
    assert [error["path"] for error in early["userErrors"]] == [["id"]]
    assert (again["lines"][0]["counted"], again["lines"][0]["recounted"]) == (7, 10)
    assert done["status"] == "APPROVED"
    assert await levels(database, shop) == [(10, 0, 0)]


async def test_a_canceled_count_books_nothing_and_frees_its_variants(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    submitted = await counted(database, shop, 7)

    canceled = await ask(database, "cycleCountCancel", id=submitted["id"])
    refused = await ask(database, "cycleCountApprove", LEAD, id=submitted["id"])

    assert canceled["cycleCount"]["status"] == "CANCELED"
    assert refused["userErrors"][0]["code"] == "ILLEGAL_TRANSITION"
    assert await levels(database, shop) == [(10, 0, 0)]
    await opened(database, shop)


async def test_a_variant_is_in_one_live_count_of_a_location(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)

    answers = await asyncio.gather(*(ask(database, "cycleCountCreate", **wanted(shop)) for _ in range(4)))

    refused = [error["path"] for answer in answers for error in answer["userErrors"]]
    assert refused == [["variants", "0"]] * 3


async def test_those_not_counted_for_the_longest_time_come_first(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    channel = await make_channel(database)
    others = [await make_variant(database, channel, sku=f"{shop.variant.sku}-{n}") for n in (1, 2)]
    for other in others:
        await give_stock(database, other, shop.locations[0], 5)
    await counted(database, shop, 5)

    first = await opened(database, shop, variants=None, most=2)
    recent = await ask(database, "cycleCountCreate", **wanted(shop, variants=None, notCountedForDays=30))
    last = await opened(database, shop, variants=None)

    assert [line["sku"] for line in first["lines"]] == [other.sku for other in others]
    assert [error["path"] for error in recent["userErrors"]] == [["locationCode"]]
    assert [line["sku"] for line in last["lines"]] == [shop.variant.sku]


async def test_bad_input_is_refused_naming_the_field(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    sku = {"sku": shop.variant.sku}
    cases: list[tuple[dict[str, Any], list[list[str]]]] = [
        ({"locationCode": "NOWHERE"}, [["locationCode"]]),
        ({"variants": []}, [["variants"]]),
        ({"variants": [sku, {"sku": "NOT-SOLD"}, sku]}, [["variants", "1"], ["variants", "2"]]),
        ({"variants": [{"sku": "a\0"}]}, [["variants", "0"]]),
        ({"notCountedForDays": 5}, [["notCountedForDays"]]),
        ({"variants": None, "notCountedForDays": 0}, [["notCountedForDays"]]),
        ({"variants": None, "most": 501}, [["most"]]),
        ({"toleranceUnits": -1}, [["toleranceUnits"]]),
        ({"tolerancePercent": 101}, [["tolerancePercent"]]),
    ]
    for changes, paths in cases:
        refused = await ask(database, "cycleCountCreate", LEAD, **wanted(shop, **changes))
        assert [error["path"] for error in refused["userErrors"]] == paths, changes
    count = await opened(database, shop)
    line = {"code": shop.variant.sku, "units": 1}
    recorded: list[tuple[list[dict[str, Any]], list[str]]] = [
        ([], ["lines"]),
        ([{**line, "units": -1}], ["lines", "0", "units"]),
        ([line, line], ["lines", "1", "code"]),
        ([line, {"code": "4711", "units": 1}], ["lines", "1", "code"]),
    ]
    for lines, path in recorded:
        refused = await found(database, count, 1, lines=lines)
        assert [error["path"] for error in refused["userErrors"]] == [path], lines
    stale = await found(database, count, 1, expectedVersion=7)
    assert stale["userErrors"][0]["code"] == "VERSION_CONFLICT"


async def test_counts_are_for_staff_and_approval_for_those_who_may(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    count = await opened(database, shop)
    stranger = make_app(Permission.ORDERS_READ)
    approve = "mutation ($input: CycleCountActionInput!) { cycleCountApprove(input: $input) { __typename } }"
    create = "mutation ($input: CycleCountCreateInput!) { cycleCountCreate(input: $input) { __typename } }"
    lenient = {"locationCode": shop.locations[0].code, "tolerancePercent": 100, "idempotencyKey": "k"}

    for document, values, who in (
        (LIST, {}, stranger),
        (approve, {"input": {"id": count["id"]}}, CLERK),
        (create, {"input": lenient}, CLERK),
    ):
        result = await execute(database, document, values, who)
        assert result.errors is not None
        assert isinstance(result.errors[0].original_error, AccessDenied)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await data_of(database, node, {"id": count["id"]}, stranger))["node"] is None
    assert (await data_of(database, node, {"id": count["id"]}, CLERK))["node"] == {"id": count["id"]}


async def test_lists_are_of_one_location_or_status_and_go_on_where_they_ended(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    numbers = [(await counted(database, shop, 10))["number"] for _ in range(3)]
    await opened(database, await make_stocked_shop(database, 1))
    code = shop.locations[0].code

    page = (await data_of(database, LIST, {"location": code, "first": 2}, CLERK))["cycleCounts"]
    after = {"location": code, "after": page["pageInfo"]["endCursor"]}
    rest = (await data_of(database, LIST, after, CLERK))["cycleCounts"]
    none = (await data_of(database, LIST, {"location": code, "status": "OPEN"}, CLERK))["cycleCounts"]

    listed = [edge["node"]["number"] for one in (page, rest) for edge in one["edges"]]
    assert (listed, page["pageInfo"]["hasNextPage"], none["edges"]) == (numbers[::-1], True, [])


async def test_two_approvals_at_once_book_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    submitted = await counted(database, shop, 7)

    answers = await asyncio.gather(
        *(ask(database, "cycleCountApprove", LEAD, id=submitted["id"]) for _ in range(4))
    )

    assert {answer["cycleCount"]["status"] for answer in answers} == {"APPROVED"}
    assert await levels(database, shop) == [(7, 0, 0)]
    await assert_explained(database)


async def test_a_record_sent_twice_counts_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    count, key = await opened(database, shop), unique("key")

    answers = await asyncio.gather(*(found(database, count, 7, idempotencyKey=key) for _ in range(3)))

    assert all(answer["userErrors"] == [] for answer in answers)
    last = (await found(database, count, 7, idempotencyKey=key))["cycleCount"]
    assert (last["version"], last["lines"][0]["recounted"]) == (2, None)


async def test_counts_race_with_shoppers(database: Database) -> None:
    shop = await make_stocked_shop(database, 60)

    async def shopper(number: int) -> None:
        try:
            await (make_ready_cart if number % 2 else order_now)(database, shop, 2)
        except (AssertionError, InsufficientStock):
            return  # nothing left for this one

    async def counter() -> None:
        for missing in (3, 0, 5):
            count = await opened(database, shop)
            seen = (await found(database, count, 0, LEAD))["cycleCount"]["lines"][0]["expected"]
            await found(database, count, seen - missing)
            await ask(database, "cycleCountSubmit", id=count["id"])
            await ask(database, "cycleCountApprove", LEAD, id=count["id"])

    async with asyncio.timeout(60):
        await asyncio.gather(*(shopper(number) for number in range(12)), counter())
    await assert_explained(database)
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT sum(on_hand) FROM stock_levels")) == 52


async def test_every_step_is_told_and_audited_without_what_was_expected(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    submitted = await counted(database, shop, 7)
    await ask(database, "cycleCountApprove", LEAD, id=submitted["id"])

    kinds = [f"CycleCount{step}" for step in ("Created", "Recorded", "Submitted", "Approved")]
    async with database.read() as connection:
        told = (
            await connection.execute(
                text("SELECT kind, payload FROM event_outbox WHERE aggregate = 'cycle_count' ORDER BY id")
            )
        ).all()
        audited = await connection.scalars(
            text("SELECT action FROM audit_entries WHERE target_kind = 'cycle_count' ORDER BY id")
        )
        assert list(audited) == kinds
    assert [row.kind for row in told] == kinds
    assert {key for row in told for key in row.payload} == {"number", "status", "locationId"}


async def test_how_many_statements_a_count_takes(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    with count_statements(database) as creating:
        count = await opened(database, shop)
    with count_statements(database) as recording:
        await found(database, count, 7)
    with count_statements(database) as submitting:
        await ask(database, "cycleCountSubmit", id=count["id"])
    with count_statements(database) as approving:
        await ask(database, "cycleCountApprove", LEAD, id=count["id"])

    counts = [len(one) for one in (creating, recording, submitting, approving)]
    assert counts == [9, 9, 7, 11], (creating, recording, submitting, approving)
