"""Work lists of returns: each return says what it waits for, and is found by it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.kernel.errors import DomainError
from domain.returns import ReturnReason
from persistence.database import Database
from services import return_receipts, return_settlement
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_stocked_shop
from tests.factories import data_of, execute, make_app
from tests.sent_back import (
    arrived_order,
    ask_for,
    bring_back,
    desk,
    let_return,
    look_at,
)
from tests.statements import count_statements

READER = make_app(Permission.RETURNS_READ)
LIST = """query ($filter: ReturnFilter, $first: Int, $after: String) {
    returns(filter: $filter, first: $first, after: $after) {
        edges { node { number waitsFor orderNumber location { code } lines { sku refund { amount } }
            refund { amount } transactions { status } } }
        pageInfo { hasNextPage endCursor } } }"""


async def listed(database: Database, **narrowed: Any) -> dict[str, str | None]:
    """Return what the returns of a list wait for, by their number."""
    data = await data_of(database, LIST, {"filter": narrowed}, READER)
    return {edge["node"]["number"]: edge["node"]["waitsFor"] for edge in data["returns"]["edges"]}


@pytest.fixture
async def shop(database: Database) -> Shop:
    await let_return(database)
    return await make_stocked_shop(database, 40)


async def test_every_return_says_what_it_waits_for(database: Database, shop: Shop) -> None:
    place = shop.locations[0].code
    asked = [await ask_for(database, await arrived_order(database, 2, shop=shop), 2) for _ in range(4)]
    waiting = {asked[0].number: "PARCEL"}
    one = {line.id: 1 for line in asked[1].lines}
    await return_receipts.receive(desk(database), asked[1].id, place, one, None, "one")
    waiting[asked[1].number] = "REST"
    waiting[(await bring_back(database, asked[2], place)).number] = "INSPECTION"
    closed = await look_at(database, await bring_back(database, asked[3], place))
    stranger = await ask_for(database, await arrived_order(database, 1, shop=shop), email="eve@example.com")
    waiting[stranger.number] = "STAFF_DECISION"
    unjudged = await ask_for(database, await arrived_order(database, 1, shop=shop))
    await run_sql(
        database,
        "UPDATE returns SET status = 'REQUESTED', verdict = NULL WHERE id = :id RETURNING id",
        id=unjudged.id,
    )
    waiting[unjudged.number] = "CHECKS"

    assert await listed(database) == {**waiting, closed.number: None}
    for number, wait in waiting.items():
        assert await listed(database, waitsFor=[wait]) == {number: wait}
    assert await listed(database, waitsFor=[]) == {}
    assert await listed(database, waitsFor=["STAFF_DECISION", "REST"], status=["REQUESTED"]) == {
        stranger.number: "STAFF_DECISION"
    }


async def test_money_that_waits_says_for_whom(database: Database, shop: Shop) -> None:
    place = shop.locations[0].code
    asked = await ask_for(database, await arrived_order(database, 1, shop=shop))
    await let_return_to_staff(database)
    seen = await look_at(database, await bring_back(database, asked, place))
    assert await listed(database, waitsFor=["REFUND_DECISION"]) == {seen.number: "REFUND_DECISION"}
    await return_settlement.refund(desk(database), seen.id, None, None, "key")
    assert await listed(database) == {seen.number: None}
    for status, settled, wait in (
        ("REQUESTED", "NULL", "PROVIDER"),
        ("FAILED", "now()", "REFUND_REFUSED"),
    ):
        await run_sql(
            database,
            f"UPDATE payment_transactions SET status = '{status}', settled_at = {settled}"
            " WHERE kind = 'REFUND' RETURNING id",
        )
        await run_sql(database, "UPDATE returns SET status = 'INSPECTED', closed_at = NULL RETURNING id")
        assert await listed(database, waitsFor=[wait]) == {seen.number: wait}


async def let_return_to_staff(database: Database) -> None:
    """From now on staff look at every refund."""
    await run_sql(database, "UPDATE return_policies SET auto_refund_most_minor = 0 RETURNING id")


async def test_a_list_is_narrowed_by_all_that_staff_look_for(database: Database, shop: Shop) -> None:
    other = await make_stocked_shop(database, 10, slug="other")
    order = await arrived_order(database, 2, shop=shop)
    here = await ask_for(database, order, reason=ReturnReason.SIZE)
    there = await ask_for(
        database, await arrived_order(database, 2, shop=other), reason=ReturnReason.DEFECTIVE
    )
    both = {here.number, there.number}
    now = datetime.now(UTC)
    await run_sql(
        database,
        "UPDATE returns SET expires_at = :at WHERE id = :id RETURNING id",
        at=now - timedelta(days=1),
        id=here.id,
    )
    for narrowed, found in (
        ({"late": True}, {here.number}),
        ({"late": False}, {there.number}),
        ({"late": True, "channel": "other"}, set()),
        # One status, several that are open, some that are not, and none: each is looked for in its own way.
        ({"status": ["APPROVED"]}, both),
        ({"status": ["APPROVED", "REQUESTED"], "late": True}, {here.number}),
        ({"status": ["APPROVED", "CLOSED"]}, both),
        ({"status": ["CLOSED"], "late": False}, set()),
        ({"status": []}, set()),
        ({"reason": ["DEFECTIVE"]}, {there.number}),
        ({"reason": ["DEFECTIVE", "SIZE"]}, both),
        ({"channel": "other"}, {there.number}),
        ({"orderNumber": order.number}, {here.number}),
        ({"orderNumber": "nowhere"}, set()),
        ({"orderNumber": "\0"}, set()),
        # Nothing came yet: each is expected where its parcel left from.
        ({"locationCode": shop.locations[0].code}, {here.number}),
        ({"locationCode": other.locations[0].code, "waitsFor": ["PARCEL"]}, {there.number}),
        ({"createdBefore": here.created_at.isoformat()}, set()),
        ({"createdFrom": here.created_at.isoformat()}, both),
    ):
        assert set(await listed(database, **narrowed)) == found, narrowed
    # It came, but elsewhere.
    await bring_back(database, here, other.locations[0].code)
    assert set(await listed(database, locationCode=other.locations[0].code)) == both
    assert await listed(database, locationCode=shop.locations[0].code) == {}


@pytest.mark.parametrize(
    ("narrowed", "path"),
    [
        ({"locationCode": "NOWHERE"}, ["filter", "locationCode"]),
        ({"locationCode": "\0"}, ["filter", "locationCode"]),
        ({"channel": "none"}, ["filter", "channel"]),
        ({"createdFrom": "0001-01-01T00:00:00+05:00"}, ["filter", "createdFrom"]),
    ],
)
async def test_a_filter_that_cannot_be_names_its_field(
    database: Database, narrowed: dict[str, Any], path: list[str]
) -> None:
    result = await execute(database, LIST, {"filter": narrowed}, READER)
    assert result.errors is not None
    refused = result.errors[0].original_error
    assert isinstance(refused, DomainError)
    assert refused.path == tuple(path)


async def test_a_page_takes_as_many_statements_as_one_row(database: Database, shop: Shop) -> None:
    order = await arrived_order(database, 12, shop=shop)
    counts: list[int] = []
    for made in (4, 8):
        for _ in range(4):
            here = await bring_back(database, await ask_for(database, order), shop.locations[0].code)
            await look_at(database, here)
        with count_statements(database) as statements:
            found = await data_of(database, LIST, {"first": 100}, READER)
        assert len(found["returns"]["edges"]) == made
        counts.append(len(statements))
        assert len(statements) <= 6, statements
    assert counts[0] == counts[1]


async def test_pages_follow_each_other(database: Database, shop: Shop) -> None:
    order = await arrived_order(database, 5, shop=shop)
    made = [(await ask_for(database, order)).number for _ in range(3)]
    found, after = [], None
    while True:
        page = (await data_of(database, LIST, {"first": 2, "after": after}, READER))["returns"]
        found += [edge["node"]["number"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == made[::-1]
