"""stockChanged: staff see the newest level of each SKU at one location, as its event told it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from api.faults import RequestRefused
from domain.catalog import Variant, VariantRef
from domain.inventory import AdjustReason, StockState
from domain.kernel.changes import KEEP
from domain.locations import Location, LocationChanges
from persistence.database import Database
from realtime.feed import Feed
from realtime.stamper import Stamper
from services import apps, inventory, locations
from services.access import ANONYMOUS, Actor, Permission
from tests import cart_flows as flow
from tests.factories import (
    Shop,
    data_of,
    give_stock,
    make_app,
    make_context,
    make_location,
    make_shop,
    make_variant,
)
from tests.live import Answers, following, live
from tests.sockets import Client, graphql, served
from tests.statements import count_statements

LEVEL = """{ id sku location { code name } onHand available held committed
             safetyStock qualityControl damaged incoming }"""
FOLLOW = f"""subscription ($locationCode: String!, $skus: [String!]) {{
    stockChanged(locationCode: $locationCode, skus: $skus) {LEVEL} }}"""
READ = f"query ($sku: String!) {{ stockLevels(variant: {{ sku: $sku }}) {LEVEL} }}"
STAFF = make_app(Permission.STOCK_READ)


def at(location: Location, *skus: str) -> dict[str, Any]:
    return {"locationCode": location.code, "skus": list(skus) or None}


async def adjust(database: Database, variant: Variant, location: Location, delta: int) -> None:
    await inventory.adjust(
        make_context(database), VariantRef(id=variant.id), location.code, delta, AdjustReason.CORRECTION,
        str(uuid4()),
    )  # fmt: skip


async def level(database: Database, sku: str) -> Any:
    """The only level that a SKU has, as it is read."""
    [found] = (await data_of(database, READ, {"sku": sku}))["stockLevels"]
    return found


async def available(answers: Answers) -> int:
    [value] = await answers.events(1)
    return int(value["available"])


async def test_the_current_level_comes_first_then_each_change_as_reading_would_show_it(
    database: Database,
) -> None:
    shop = await make_shop(database, stock=10)
    sku = shop.variant.sku
    async with (
        live(database) as feed,
        following(database, feed, FOLLOW, at(shop.location, sku), STAFF) as (answers),
    ):
        assert await answers.events(1) == [await level(database, sku)]
        await flow.create(database, shop, 3)
        [held] = await answers.events(1)
        assert (held["onHand"], held["available"], held["held"]) == (10, 7, 3)
        assert held == await level(database, sku)
        await inventory.move(
            make_context(database), VariantRef(sku=sku), shop.location.code, StockState.AVAILABLE,
            StockState.DAMAGED, 2, str(uuid4()),
        )  # fmt: skip
        [moved] = await answers.events(1)
        assert (moved["available"], moved["damaged"]) == (5, 2)
        assert moved == await level(database, sku)


async def test_without_skus_every_change_at_the_location_comes_and_nothing_before(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    other, elsewhere = await make_variant(database), await make_location(database)
    async with live(database) as feed, following(database, feed, FOLLOW, at(shop.location), STAFF) as answers:
        assert await answers.silent_for(0.3)
        await give_stock(database, shop.variant, elsewhere, 5)
        await give_stock(database, other, shop.location, 4)
        [first] = await answers.events(1)
        assert (first["sku"], first["available"]) == (other.sku, 4)
        await adjust(database, shop.variant, shop.location, -1)
        assert await answers.events(1) == [
            next(one for one in await levels(database, shop) if one["location"]["code"] == shop.location.code)
        ]


async def levels(database: Database, shop: Shop) -> list[Any]:
    return list((await data_of(database, READ, {"sku": shop.variant.sku}))["stockLevels"])


async def test_a_sku_named_is_told_of_this_location_only_even_without_a_level_yet(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    other, elsewhere = await make_variant(database), await make_location(database)
    variables = at(elsewhere, shop.variant.sku)
    async with live(database) as feed, following(database, feed, FOLLOW, variables, STAFF) as answers:
        assert await answers.silent_for(0.2)
        await adjust(database, shop.variant, shop.location, +1)
        await give_stock(database, other, elsewhere, 4)
        assert await answers.silent_for(0.3)
        await give_stock(database, shop.variant, elsewhere, 5)
        assert await available(answers) == 5


async def test_two_statements_begin_it_and_events_send_none(database: Database) -> None:
    shop = await make_shop(database, stock=100)
    variants = [await make_variant(database, shop.channel) for _ in range(20)]
    variables = at(shop.location, shop.variant.sku, *[variant.sku for variant in variants])
    async with live(database) as feed:
        with count_statements(database) as statements:
            async with following(database, feed, FOLLOW, variables, STAFF) as answers:
                assert await available(answers) == 100
                begun = [sent for sent in statements if "level_version" in sent]
                assert len(begun) == 2, statements
                for variant in variants:
                    await give_stock(database, variant, shop.location, 5)
                changed = await answers.events(20)
        assert {one["sku"] for one in changed} == {variant.sku for variant in variants}
        ours = [sent for sent in statements if "event_feed" not in sent and "stock_move(" not in sent]
        assert [sent for sent in ours if "SELECT" in sent and "feed_head" not in sent] == begun, statements


async def test_a_slow_reader_gets_the_newest_level_only(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    variables = at(shop.location, shop.variant.sku)
    async with live(database) as feed, following(database, feed, FOLLOW, variables, STAFF) as answers:
        assert await available(answers) == 10
        # One level is waited for already; what comes after it finds the reader away.
        for _ in range(10):
            await adjust(database, shop.variant, shop.location, -1)
        await asyncio.sleep(0.5)
        assert await available(answers) <= 9
        assert await available(answers) == 0
        assert await answers.silent_for(0.3)


async def test_an_event_older_than_what_was_read_is_not_told(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    feed = Feed(database)
    stamper = Stamper(database, feed.wake, retention_seconds=3_600)
    while await stamper.stamp_once():
        pass
    await feed.start()
    await adjust(database, shop.variant, shop.location, -1)
    await adjust(database, shop.variant, shop.location, -1)
    async with following(database, feed, FOLLOW, at(shop.location, shop.variant.sku), STAFF) as answers:
        assert await available(answers) == 8
        await stamper.stamp_once()
        assert await answers.silent_for(0.5)
        await adjust(database, shop.variant, shop.location, +5)
        await stamper.stamp_once()
        assert await available(answers) == 13
    await feed.stop()


async def test_a_renamed_location_shows_its_name(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    variables = at(shop.location, shop.variant.sku)
    async with live(database) as feed, following(database, feed, FOLLOW, variables, STAFF) as answers:
        assert await available(answers) == 10
        await locations.update(make_context(database), shop.location.id, LocationChanges("Dock 9", KEEP))
        [renamed] = await answers.events(1)
        assert (renamed["available"], renamed["location"]["name"]) == (10, "Dock 9")
        await adjust(database, shop.variant, shop.location, -1)
        assert await answers.events(1) == [await level(database, shop.variant.sku)]


async def test_where_events_were_missed_named_skus_are_read_again(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    variables = at(shop.location, shop.variant.sku)
    async with live(database) as feed, following(database, feed, FOLLOW, variables, STAFF) as answers:
        assert await available(answers) == 10
        _lose_events(feed)
        assert await answers.silent_for(0.3)
        await adjust(database, shop.variant, shop.location, -4)
        assert await available(answers) == 6


async def test_where_events_were_missed_who_follows_a_whole_location_has_to_come_back(
    database: Database,
) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, FOLLOW, at(shop.location), STAFF) as answers:
        _lose_events(feed)
        answer = await answers.next()
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["RESUME"]


def _lose_events(feed: Feed) -> None:
    ring = feed._started
    ring.reset(ring.epoch, ring.head, ring.pruned)


@asynccontextmanager
async def _watching(database: Database) -> AsyncIterator[tuple[Client, Client]]:
    """Two clients of one server, who may read stock."""
    token = await apps.create(make_context(database), "staff", [Permission.STOCK_READ.value])
    async with live(database) as feed, served(graphql(database, feed), feed) as server:
        credentials = {"authorization": f"Bearer {token}"}
        async with server.ready(**credentials) as one, server.ready(**credentials) as two:
            yield one, two


async def _value(client: Client) -> int:
    message = await client.receive()
    return int(message["payload"]["data"]["stockChanged"]["available"])


async def test_who_joins_later_gets_the_current_levels_of_named_skus(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    variables = at(shop.location, shop.variant.sku)
    async with _watching(database) as (one, two):
        await one.subscribe("1", FOLLOW, **variables)
        assert await _value(one) == 10
        await adjust(database, shop.variant, shop.location, -1)
        assert await _value(one) == 9
        await two.subscribe("1", FOLLOW, **variables)
        assert await _value(two) == 9


async def test_who_joins_a_whole_location_later_is_told_changes_only(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with _watching(database) as (one, two):
        await one.subscribe("1", FOLLOW, **at(shop.location))
        await asyncio.sleep(0.2)
        await adjust(database, shop.variant, shop.location, -1)
        assert await _value(one) == 9
        await two.subscribe("1", FOLLOW, **at(shop.location))
        await asyncio.sleep(0.2)
        await adjust(database, shop.variant, shop.location, -1)
        assert (await _value(one), await _value(two)) == (8, 8)


@pytest.mark.parametrize(
    ("actor", "changed", "code", "path"),
    [
        (ANONYMOUS, {}, "UNAUTHENTICATED", None),
        (make_app(Permission.STOCK_WRITE), {}, "FORBIDDEN", None),
        (STAFF, {"locationCode": "nowhere"}, "BAD_USER_INPUT", ["locationCode"]),
        (STAFF, {"locationCode": "\ud800"}, "BAD_USER_INPUT", ["locationCode"]),
        (STAFF, {"skus": []}, "BAD_USER_INPUT", ["skus"]),
        (STAFF, {"skus": [f"SKU-{number}" for number in range(201)]}, "BAD_USER_INPUT", ["skus"]),
        (STAFF, {"skus": ["no such sku"]}, "BAD_USER_INPUT", ["skus", "0"]),
        (STAFF, {"skus": ["\ud800"]}, "BAD_USER_INPUT", ["skus", "0"]),
    ],
)
async def test_what_cannot_be_watched_is_refused(
    database: Database, actor: Actor, changed: dict[str, Any], code: str, path: list[str] | None
) -> None:
    shop = await make_shop(database, stock=10)
    variables = {**at(shop.location, shop.variant.sku), **changed}
    assert await _refused(database, variables, actor) == (code, path)


async def test_an_archived_location_cannot_be_watched(database: Database) -> None:
    gone = await make_location(database)
    await locations.archive(make_context(database), gone.id)
    assert await _refused(database, at(gone)) == ("BAD_USER_INPUT", ["locationCode"])


async def _refused(database: Database, variables: dict[str, Any], actor: Actor = STAFF) -> tuple[str, Any]:
    async with live(database) as feed:
        try:
            async with following(database, feed, FOLLOW, variables, actor) as answers:
                [error] = (await answers.next())["errors"]
        except RequestRefused as refused:
            [error] = refused.errors
    return error["extensions"]["code"], error["extensions"].get("argument")
