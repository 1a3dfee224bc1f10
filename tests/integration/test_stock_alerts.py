"""lowStock: an alert each time that little is left, none lost, none for what was low already."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.faults import RequestRefused
from domain.catalog import VariantRef
from domain.inventory import AdjustReason
from persistence.database import Database
from services import inventory
from services.access import ANONYMOUS, Actor, Permission
from tests import cart_flows as flow
from tests.factories import Shop, data_of, give_stock, make_app, make_context, make_location, make_shop
from tests.live import following, live
from tests.statements import count_statements

ALERTS = """subscription ($threshold: Int!, $locationCode: String, $after: String) {
    lowStock(threshold: $threshold, locationCode: $locationCode, after: $after) {
        cursor kind occurredAt sku location { code } available previousAvailable threshold } }"""
BRIEF = "subscription { lowStock(threshold: 5) { cursor sku available } }"
STAFF = make_app(Permission.STOCK_READ)


async def adjust(database: Database, shop: Shop, delta: int) -> None:
    await inventory.adjust(
        make_context(database), VariantRef(id=shop.variant.id), shop.location.code, delta,
        AdjustReason.CORRECTION, str(uuid4()),
    )  # fmt: skip


async def test_an_alert_comes_each_time_the_threshold_is_crossed_downwards(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, ALERTS, {"threshold": 5}, STAFF) as answers:
        await adjust(database, shop, -4)
        assert await answers.silent_for(0.3), "6 is above 5"
        await flow.create(database, shop, 1)
        [alert] = await answers.events(1)
        assert (alert["kind"], alert["sku"], alert["threshold"]) == ("StockLow", shop.variant.sku, 5)
        assert (alert["previousAvailable"], alert["available"]) == (6, 5)
        assert alert["location"] == {"code": shop.location.code}
        await adjust(database, shop, -5)
        assert await answers.silent_for(0.3), "it was low already"
        await adjust(database, shop, +6)
        assert await answers.silent_for(0.3), "upwards"
        await adjust(database, shop, -6)
        [again] = await answers.events(1)
        assert (again["previousAvailable"], again["available"]) == (6, 0)


async def test_a_new_level_is_not_one_that_fell(database: Database) -> None:
    shop = await make_shop(database)
    async with live(database) as feed, following(database, feed, ALERTS, {"threshold": 5}, STAFF) as answers:
        await give_stock(database, shop.variant, shop.location, 3)
        assert await answers.silent_for(0.3)


async def test_one_location_or_all(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    elsewhere = await make_location(database)
    await give_stock(database, shop.variant, elsewhere, 10)
    here = {"threshold": 0, "locationCode": elsewhere.code}
    async with (
        live(database) as feed,
        following(database, feed, ALERTS, {"threshold": 0}, STAFF) as everywhere,
        following(database, feed, ALERTS, here, STAFF) as there,
    ):
        await adjust(database, shop, -10)
        await adjust(database, Shop(shop.channel, elsewhere, shop.variant), -10)
        alerts = await everywhere.events(2)
        assert [one["location"]["code"] for one in alerts] == [shop.location.code, elsewhere.code]
        assert await there.events(1) == alerts[1:]


async def test_alerts_while_nobody_listened_come_after_the_cursor(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed:
        cursor = (await data_of(database, "{ eventCursor }"))["eventCursor"]
        for delta in (-5, +5, -1, -5, +6, -9):
            await adjust(database, shop, delta)
        variables = {"threshold": 5, "after": cursor}
        async with following(database, feed, ALERTS, variables, STAFF) as answers:
            alerts = await answers.events(3)
            assert await answers.silent_for(0.3)
        variables["after"] = alerts[0]["cursor"]
        async with following(database, feed, ALERTS, variables, STAFF) as answers:
            assert await answers.events(2) == alerts[1:]
    assert [(one["previousAvailable"], one["available"]) for one in alerts] == [(10, 5), (9, 4), (10, 1)]


async def test_only_a_location_that_is_asked_for_is_read(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, BRIEF, None, STAFF) as answers:
        with count_statements(database) as statements:
            await adjust(database, shop, -5)
            assert (await answers.events(1))[0]["available"] == 5
        assert not [sent for sent in statements if "FROM locations" in sent], statements
    async with live(database) as feed, following(database, feed, ALERTS, {"threshold": 3}, STAFF) as answers:
        with count_statements(database) as statements:
            await adjust(database, shop, -5)
            assert (await answers.events(1))[0]["available"] == 0
        assert len([sent for sent in statements if "FROM locations" in sent]) == 1, statements


async def test_events_from_before_there_were_alerts_ring_none(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed:
        cursor = (await data_of(database, "{ eventCursor }"))["eventCursor"]
    await adjust(database, shop, -9)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE event_outbox SET payload = payload - 'availableBefore'"))
    await adjust(database, shop, +9)
    await adjust(database, shop, -8)
    async with live(database) as feed:
        variables = {"threshold": 5, "after": cursor}
        async with following(database, feed, ALERTS, variables, STAFF) as answers:
            [alert] = await answers.events(1)
    assert alert["available"] == 2


async def test_the_functions_of_stock_keep_their_settings(database: Database) -> None:
    """Replacing a function forgets what was set for it."""
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT proname, proconfig FROM pg_proc WHERE proname LIKE 'stock\\_%' ORDER BY proname")
        )
        settings = {row.proname: set(row.proconfig or ()) for row in rows}
    planned = {"enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off"}
    assert settings.pop("stock_apply") == set()
    assert settings == dict.fromkeys(
        [
            "stock_change",
            "stock_commit_holds",
            "stock_expire_holds",
            "stock_hold",
            "stock_move",
            "stock_reroute",
        ],
        planned,
    )


@pytest.mark.parametrize(
    ("actor", "variables", "code", "path"),
    [
        (ANONYMOUS, {}, "UNAUTHENTICATED", None),
        (make_app(Permission.STOCK_WRITE), {}, "FORBIDDEN", None),
        (STAFF, {"threshold": -1}, "BAD_USER_INPUT", ["threshold"]),
        (STAFF, {"threshold": 1_000_000_000}, "BAD_USER_INPUT", ["threshold"]),
        (STAFF, {"locationCode": "nowhere"}, "BAD_USER_INPUT", ["locationCode"]),
        (STAFF, {"after": "x"}, "BAD_USER_INPUT", None),
    ],
)
async def test_what_cannot_be_heard_is_refused(
    database: Database, actor: Actor, variables: dict[str, Any], code: str, path: list[str] | None
) -> None:
    async with live(database) as feed:
        try:
            async with following(database, feed, ALERTS, {"threshold": 5, **variables}, actor) as answers:
                [error] = (await answers.next())["errors"]
        except RequestRefused as refused:
            [error] = refused.errors
    assert (error["extensions"]["code"], error["extensions"].get("argument")) == (code, path)
