"""inventoryChanged: the current value first, then the newest, never twice, never for who may not know."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.catalog import VariantRef
from domain.inventory import AdjustReason, Movement, StockState
from persistence import inventory as rows
from persistence.database import Database
from realtime.feed import Feed
from services import cart_sweeps, inventory
from services.access import ANONYMOUS
from tests import cart_flows as flow
from tests.factories import Shop, give_stock, make_context, make_location, make_shop, make_variant
from tests.live import Answers, following, live
from tests.statements import count_statements

FOLLOW = """subscription ($channel: String!, $skus: [String!]!) {
    inventoryChanged(channel: $channel, skus: $skus) { sku channel available asOf } }"""


def of(shop: Shop, *skus: str) -> dict[str, Any]:
    return {"channel": shop.channel.slug, "skus": list(skus or [shop.variant.sku])}


async def adjust(database: Database, shop: Shop, delta: int) -> None:
    await inventory.adjust(
        make_context(database), VariantRef(sku=shop.variant.sku), shop.location.code, delta,
        AdjustReason.CORRECTION, str(uuid4()),
    )  # fmt: skip


async def available(answers: Answers) -> int:
    [value] = await answers.events(1)
    return int(value["available"])


async def test_the_current_value_comes_first_then_every_change(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, FOLLOW, of(shop), ANONYMOUS) as answers:
        [first] = await answers.events(1)
        assert (first["sku"], first["channel"], first["available"]) == (
            shop.variant.sku,
            shop.channel.slug,
            10,
        )
        assert datetime.now(UTC) - datetime.fromisoformat(first["asOf"]) < timedelta(seconds=10)
        await flow.create(database, shop, 3)
        assert await available(answers) == 7
        await adjust(database, shop, +5)
        assert await available(answers) == 12


async def test_what_does_not_change_the_value_is_not_sent(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    elsewhere = await make_location(database)
    other = await make_variant(database, shop.channel)
    async with live(database) as feed, following(database, feed, FOLLOW, of(shop)) as answers:
        assert await available(answers) == 10
        await give_stock(database, shop.variant, elsewhere, 5)
        await give_stock(database, other, shop.location, 5)
        assert await answers.silent_for(0.5)
        await adjust(database, shop, +1)
        assert await available(answers) == 11


async def test_a_slow_reader_gets_the_newest_value_only(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, FOLLOW, of(shop)) as answers:
        assert await available(answers) == 10
        # One value is waited for already; what comes after it finds the reader away.
        for _ in range(10):
            await adjust(database, shop, -1)
        await asyncio.sleep(0.5)
        seen = [await available(answers)]
        # On a busy machine all changes may have been made before the first of them was read.
        if seen[0] != 0:
            assert seen[0] <= 9
            seen.append(await available(answers))
        assert seen[-1] == 0
        assert await answers.silent_for(0.3)


async def test_all_changed_skus_are_read_in_one_statement(database: Database) -> None:
    shop = await make_shop(database, stock=1)
    variants = [await make_variant(database, shop.channel) for _ in range(30)]
    skus = [variant.sku for variant in variants]
    async with live(database) as feed, following(database, feed, FOLLOW, of(shop, *skus)) as answers:
        first = await answers.events(30)
        assert [value["sku"] for value in first] == skus
        moves = [
            Movement(
                variant.id, shop.location.id, StockState.SUPPLIER, StockState.AVAILABLE, 7, reason="RECEIVED"
            )
            for variant in variants
        ]
        with count_statements(database) as statements:
            async with database.transaction() as connection:
                await rows.move(
                    connection,
                    moves,
                    source_kind="test",
                    source_id=None,
                    actor="test",
                    now=datetime.now(UTC),
                )
            changed = await answers.events(30)
        assert sorted(value["sku"] for value in changed) == sorted(skus)
        assert {value["available"] for value in changed} == {7}
        assert sum("v.sku = ANY" in sent for sent in statements) == 1, statements


async def test_stock_of_an_expired_hold_is_pushed(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    await flow.create(database, shop, 4)
    async with live(database) as feed, following(database, feed, FOLLOW, of(shop)) as answers:
        assert await available(answers) == 6
        later = type("Later", (), {"now": lambda self: datetime.now(UTC) + timedelta(hours=3)})()
        await cart_sweeps.expire_holds(make_context(database, clock=later))
        assert await available(answers) == 10


async def test_a_feed_that_begins_again_costs_no_value(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, FOLLOW, of(shop)) as answers:
        assert await available(answers) == 10
        _lose_events(feed)
        await adjust(database, shop, -4)
        assert await available(answers) == 6


def _lose_events(feed: Feed) -> None:
    ring = feed._started
    ring.reset(ring.epoch, ring.head, ring.pruned)


@pytest.mark.parametrize(
    ("skus", "path"),
    [
        ([], ["skus"]),
        ([f"SKU-{number}" for number in range(201)], ["skus"]),
        (["no such sku"], ["skus", "0"]),
        (["\ud800"], ["skus", "0"]),
    ],
)
async def test_what_cannot_be_followed_is_refused(
    database: Database, skus: list[str], path: list[str]
) -> None:
    shop = await make_shop(database, stock=10)
    variables = {"channel": shop.channel.slug, "skus": skus}
    assert await refused(database, variables) == ("BAD_USER_INPUT", path)


async def test_an_unknown_channel_is_refused(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    assert await refused(database, {**of(shop), "channel": "nowhere"}) == ("BAD_USER_INPUT", ["channel"])


async def refused(database: Database, variables: dict[str, Any]) -> tuple[str, list[str]]:
    async with live(database) as feed, following(database, feed, FOLLOW, variables, ANONYMOUS) as answers:
        answer = await answers.next()
        [error] = answer["errors"]
        return error["extensions"]["code"], error["extensions"]["argument"]
