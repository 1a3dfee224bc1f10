"""Lists of orders for staff: pages, filters, and who may."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.pagination import cursor
from api.schema.order_lists import NEWEST
from persistence.database import Database
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from tests.checkouts import make_stocked_shop, order_now
from tests.factories import data_of, execute, make_app
from tests.statements import count_statements

LIST = """query ($first: Int, $after: String, $filter: OrderFilter) {
  orders(first: $first, after: $after, filter: $filter) {
    edges { cursor node { number status placedAt email channel { slug } totals { total { amount } } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def listed(database: Database, actor: Actor = SYSTEM, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await data_of(database, LIST, variables, actor))["orders"]
    return found


def numbers(found: dict[str, Any]) -> list[str]:
    return [edge["node"]["number"] for edge in found["edges"]]


async def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_repeat(database: Database) -> None:
    shop = await make_stocked_shop(database, 50)
    placed = [(await order_now(database, shop, 1)).order for _ in range(7)]
    newest_first = [order.number for order in reversed(placed) if order]
    seen: list[str] = []
    after = None
    for page_number in range(3):
        with count_statements(database) as statements:
            found = await listed(database, first=3, after=after)
        assert len(statements) <= 2, statements
        seen += numbers(found)
        after = found["pageInfo"]["endCursor"]
        assert found["pageInfo"]["hasNextPage"] is (page_number < 2)
        assert found["pageInfo"]["hasPreviousPage"] is (page_number > 0)
    assert seen == newest_first


async def test_filters_narrow(database: Database) -> None:
    shop = await make_stocked_shop(database, 50)
    other = await make_stocked_shop(database, 50)
    plain = (await order_now(database, shop, 1)).order
    waiting = (await order_now(database, shop, 1, "review")).order
    elsewhere = (await order_now(database, other, 1)).order
    assert plain
    assert waiting
    assert elsewhere
    a_second = timedelta(seconds=1)
    for narrowed, expected in (
        ({"channel": shop.channel.slug}, [waiting, plain]),
        ({"status": ["PENDING_APPROVAL"]}, [waiting]),
        ({"status": ["PENDING_APPROVAL", "OPEN"], "channel": other.channel.slug}, [elsewhere]),
        ({"status": []}, []),
        ({"paymentStatus": ["VOIDED"]}, []),
        ({"fulfillmentStatus": ["ON_HOLD"]}, [waiting]),
        ({"search": f" {plain.number} "}, [plain]),
        ({"search": "ADA@example.com"}, [elsewhere, waiting, plain]),
        ({"search": "nobody@example.com"}, []),
        ({"placedFrom": plain.placed_at.isoformat(), "search": plain.number}, [plain]),
        ({"placedBefore": plain.placed_at.replace(tzinfo=None).isoformat()}, []),
        ({"placedFrom": (elsewhere.placed_at + a_second).isoformat()}, []),
    ):
        found = await listed(database, filter=narrowed)
        assert numbers(found) == [order.number for order in expected], narrowed


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"first": 0}, "between 1 and 100"),
        ({"first": 101}, "between 1 and 100"),
        ({"after": "x"}, "not a cursor"),
        ({"after": "WyJPTERFU1QiLCJ4Il0="}, "not a cursor"),
        ({"filter": {"search": "\0"}}, "cannot be stored"),
        ({"filter": {"channel": "no-such"}}, "channel"),
        ({"filter": {"placedFrom": "0001-01-01T00:00:00+14:00"}}, "outside the years"),
        ({"filter": {"placedBefore": "9999-12-31T23:59:59-12:00"}}, "outside the years"),
        ({"after": cursor(NEWEST, "0001-01-01T00:00:00+14:00", UUID(int=1))}, "outside the years"),
        ({"after": cursor(NEWEST, "9999-12-31T23:59:59-12:00", UUID(int=1))}, "outside the years"),
    ],
)
async def test_bad_arguments_are_named(database: Database, variables: dict[str, Any], message: str) -> None:
    result = await execute(database, LIST, variables)
    assert result.errors is not None
    assert message in result.errors[0].message


async def test_only_who_may_read_orders_sees_lists(database: Database) -> None:
    await listed(database, make_app(Permission.ORDERS_READ))
    for actor in (ANONYMOUS, make_app(Permission.ORDERS_WRITE)):
        result = await execute(database, LIST, {}, actor)
        assert result.errors is not None


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2030-01-01T00:00:00"]
)
async def test_a_moment_at_the_edge_of_the_calendar_is_one(database: Database, moment: str) -> None:
    assert numbers(await listed(database, filter={"placedFrom": moment})) == []
    assert numbers(await listed(database, after=cursor(NEWEST, moment, str(UUID(int=1))))) == []
