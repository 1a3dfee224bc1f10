"""ordersChanged: a list of orders that stays what reading it again would show, and no order besides."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from api.faults import RequestRefused
from domain.orders import Order
from persistence.database import Database
from services import orders
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from services.order_imports import import_orders
from services.orders import OrderRef
from tests.checkouts import Shop, make_stocked_shop, order_now, till
from tests.factories import data_of, make_app, make_context
from tests.live import Answers, following, live
from tests.statements import count_statements

FOLLOW = """subscription ($filter: OrderFilter, $after: String) {
    ordersChanged(filter: $filter, after: $after) {
        cursor kind occurredAt version matches order { number status paymentStatus version } } }"""
LIST = """query ($filter: OrderFilter) {
    orders(filter: $filter, first: 100) { edges { node { number status paymentStatus version } } } }"""
STAFF = make_app(Permission.ORDERS_READ)
WAITING = {"status": ["PENDING_APPROVAL"]}


async def placed(database: Database, shop: Shop, method: str = "ok") -> Order:
    order = (await order_now(database, shop, 1, method)).order
    assert order is not None
    return order


async def approve(database: Database, order: Order) -> None:
    await orders.approve(till(database, SYSTEM), order.id, None, str(uuid4()))


async def cancel(database: Database, order: Order) -> None:
    await orders.cancel(till(database, SYSTEM), OrderRef(id=order.id), "x", None, str(uuid4()))


def told(changes: Sequence[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(one["kind"], one["order"]["number"], one["matches"]) for one in changes]


async def test_an_order_comes_into_the_list_and_leaves_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    async with (
        live(database) as feed,
        following(database, feed, FOLLOW, {"filter": WAITING}, STAFF) as answers,
    ):
        order = await placed(database, shop, "review")
        [came] = await answers.events(1)
        assert (came["kind"], came["version"], came["matches"]) == ("OrderPlaced", 1, True)
        assert came["order"]["status"] == "PENDING_APPROVAL"
        assert [one["kind"] for one in await answers.events(1)] == ["OrderReviewRequired"]
        await approve(database, order)
        [left] = await answers.events(1)
        assert (left["kind"], left["version"], left["matches"]) == ("OrderApproved", 2, False)
        assert left["order"]["status"] == "OPEN"


async def test_what_can_never_be_in_the_list_is_not_told(database: Database) -> None:
    shop, other = await make_stocked_shop(database, 9), await make_stocked_shop(database, 9)
    order, later = await placed(database, shop), await placed(database, shop)
    never = [
        {"channel": other.channel.slug},
        {"placedFrom": later.placed_at.isoformat()},
        {"placedBefore": order.placed_at.isoformat()},
        {"search": later.number},
        {"search": "nobody@example.org"},
    ]
    now = {"channel": shop.channel.slug, "placedFrom": order.placed_at.isoformat(), "search": order.number}
    async with live(database) as feed, AsyncExitStack() as stack:

        async def follow(narrowed: dict[str, Any]) -> Answers:
            variables = {"filter": narrowed}
            return await stack.enter_async_context(following(database, feed, FOLLOW, variables, STAFF))

        deaf, hears = [await follow(narrowed) for narrowed in never], await follow(now)
        await cancel(database, order)
        assert [one["kind"] for one in await hears.events(2)] == ["OrderCanceled", "PaymentVoided"]
        assert [await answers.silent_for(0.1) for answers in deaf] == [True] * len(never)


async def test_a_list_kept_by_the_changes_is_the_list_read_again(database: Database) -> None:
    shop, other = await make_stocked_shop(database, 90), await make_stocked_shop(database, 90)
    narrowed = {"channel": shop.channel.slug, "status": ["OPEN", "PENDING_APPROVAL"]}
    for method in ("ok", "review"):
        await placed(database, shop, method)
    async with live(database) as feed:
        after = (await data_of(database, "{ eventCursor }"))["eventCursor"]
        kept = await _listed(database, narrowed)
        assert len(kept) == 2
        # Whatever happens before it subscribes, and after.
        for waiting in [await placed(database, shop, "review") for _ in range(3)]:
            await approve(database, waiting)
            await cancel(database, waiting)
        variables = {"filter": narrowed, "after": after}
        async with following(database, feed, FOLLOW, variables, STAFF) as answers:
            await placed(database, other)
            newest = await placed(database, shop)
            while True:
                [change] = await answers.events(1)
                order = change["order"]
                if change["matches"]:
                    kept[order["number"]] = order
                else:
                    kept.pop(order["number"], None)
                if order["number"] == newest.number:
                    break
            assert await answers.silent_for(0.3)
    assert kept == await _listed(database, narrowed)
    assert len(kept) == 3


async def _listed(database: Database, narrowed: dict[str, Any]) -> dict[str, Any]:
    found = await data_of(database, LIST, {"filter": narrowed}, STAFF)
    return {edge["node"]["number"]: edge["node"] for edge in found["orders"]["edges"]}


async def test_it_resumes_after_a_cursor_without_a_gap(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    async with live(database) as feed:
        async with following(database, feed, FOLLOW, {"filter": WAITING}, STAFF) as answers:
            first = await placed(database, shop, "review")
            _, came = await answers.events(2)
        await approve(database, first)
        second = await placed(database, shop, "review")
        variables = {"filter": WAITING, "after": came["cursor"]}
        async with following(database, feed, FOLLOW, variables, STAFF) as answers:
            missed = await answers.events(3)
            assert await answers.silent_for(0.3)
    assert told(missed) == [
        ("OrderApproved", first.number, False),
        ("OrderPlaced", second.number, True),
        ("OrderReviewRequired", second.number, True),
    ]


async def test_without_a_filter_every_order_is_told_imported_ones_by_their_number_elsewhere_too(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 9)
    row = {"order": "7", "channel": shop.channel.slug, "placedAt": "2011-01-01", "sku": "X", "quantity": 1}
    elsewhere = {"filter": {"search": "7"}}
    async with (
        live(database) as feed,
        following(database, feed, FOLLOW, {}, STAFF) as everything,
        following(database, feed, FOLLOW, elsewhere, STAFF) as imported,
    ):
        order = await placed(database, shop)
        await import_orders(make_context(database), "old", [(1, {**row, "unitPrice": "1"})])
        assert told(await everything.events(2)) == [
            ("OrderPlaced", order.number, True),
            ("OrderPlaced", "old-7", True),
        ]
        assert told(await imported.events(1)) == [("OrderPlaced", "old-7", True)]


async def test_one_statement_an_event_and_none_for_another_channel(database: Database) -> None:
    shop, other = await make_stocked_shop(database, 9), await make_stocked_shop(database, 9)
    variables = {"filter": {"channel": shop.channel.slug}}
    async with live(database) as feed, following(database, feed, FOLLOW, variables, STAFF) as answers:
        with count_statements(database) as statements:
            await placed(database, other)
            assert await answers.silent_for(0.3)
            assert not [sent for sent in statements if "o.id = ANY" in sent], statements
            await placed(database, shop)
            await answers.events(1)
            assert len([sent for sent in statements if "o.id = ANY" in sent]) == 1, statements


@pytest.mark.parametrize(
    ("actor", "narrowed", "code", "path"),
    [
        (ANONYMOUS, {}, "UNAUTHENTICATED", None),
        (make_app(Permission.ORDERS_WRITE), {}, "FORBIDDEN", None),
        (STAFF, {"channel": "nowhere"}, "BAD_USER_INPUT", ["filter", "channel"]),
        (STAFF, {"search": "x" * 321}, "BAD_USER_INPUT", ["filter", "search"]),
        (STAFF, {"placedFrom": "0001-01-01T00:00:00+14:00"}, "BAD_USER_INPUT", ["filter", "placedFrom"]),
    ],
)
async def test_who_may_not_and_what_makes_no_sense_is_refused(
    database: Database, actor: Actor, narrowed: dict[str, Any], code: str, path: list[str] | None
) -> None:
    async with live(database) as feed:
        try:
            async with following(database, feed, FOLLOW, {"filter": narrowed}, actor) as answers:
                [error] = (await answers.next())["errors"]
        except RequestRefused as refused:
            [error] = refused.errors
    assert (error["extensions"]["code"], error["extensions"].get("argument")) == (code, path)
