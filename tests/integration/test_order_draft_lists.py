"""Drafts among the orders of a list, and in lists that are followed live."""

from typing import Any

from persistence.database import Database
from services.access import ANONYMOUS
from tests import drafts
from tests.checkouts import make_stocked_shop, order_now
from tests.factories import data_of
from tests.live import following, live

LIST = """query ($filter: OrderFilter) {
    orders(filter: $filter) { edges { node { number status placedAt note } } } }"""
FOLLOW = """subscription ($filter: OrderFilter) {
    ordersChanged(filter: $filter) { kind version matches order { number status } } }"""
UPDATED = """subscription ($ref: OrderRef!) { orderUpdated(ref: $ref) { kind version order { status } } }"""


async def numbers(database: Database, narrowed: dict[str, Any]) -> list[str]:
    found = await data_of(database, LIST, {"filter": narrowed}, drafts.STAFF)
    return [edge["node"]["number"] for edge in found["orders"]["edges"]]


async def test_a_draft_stands_among_the_orders_and_moves_up_when_it_is_placed(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    draft = (await drafts.ready(database, shop, 1))["order"]
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    since = {"placedFrom": order.placed_at.replace(year=2020).isoformat()}
    until = {"placedBefore": order.placed_at.replace(year=2099).isoformat()}
    assert await numbers(database, {}) == [order.number, draft["number"]]
    assert await numbers(database, {"status": ["DRAFT"]}) == [draft["number"]]
    assert await numbers(database, {"status": ["OPEN"]}) == [order.number]
    assert await numbers(database, since) == await numbers(database, until) == [order.number]
    await drafts.place(database, draft)
    assert await numbers(database, {}) == [draft["number"], order.number]
    assert await numbers(database, since) == [draft["number"], order.number]


async def test_who_follows_a_list_is_told_when_a_draft_leaves_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    hers, open_drafts = {"search": "ada@example.com"}, {"status": ["DRAFT"]}
    async with (
        live(database) as feed,
        following(database, feed, FOLLOW, {"filter": hers}, drafts.STAFF) as by_email,
        following(database, feed, FOLLOW, {"filter": open_drafts}, drafts.STAFF) as by_status,
    ):
        draft = (await drafts.ready(database, shop, 1))["order"]
        assert [one["matches"] for one in await by_email.events(1)] == [True]
        changed = await drafts.update(database, draft, email="grace@example.com")
        [gone] = await by_email.events(1)
        assert (gone["kind"], gone["version"], gone["matches"]) == ("OrderDraftUpdated", 2, False)
        await drafts.place(database, changed["order"])
        told = await by_status.events(3)
        assert [one["kind"] for one in told] == ["OrderDraftCreated", "OrderDraftUpdated", "OrderPlaced"]
        assert (told[0]["matches"], told[-1]["matches"]) == (True, False)


async def test_staff_follow_a_draft_until_it_is_an_order(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    made = await drafts.ready(database, shop, 1)
    ref = {"ref": {"number": made["order"]["number"]}}
    async with live(database) as feed, following(database, feed, UPDATED, ref, drafts.STAFF) as answers:
        await drafts.pay(database, made["cartToken"])
        [placed] = await answers.events(1)
        assert placed == {"kind": "OrderPlaced", "version": 2, "order": {"status": "OPEN"}}
    found = await data_of(database, "query ($ref: OrderRef!) { order(ref: $ref) { id } }", ref, ANONYMOUS)
    assert found["order"] is None, "its number alone is no secret"
