"""eventCursor: who reads it, then the state, then subscribes, misses nothing."""

from persistence.database import Database
from services.access import ANONYMOUS
from tests import cart_flows as flow
from tests.factories import data_of, make_shop
from tests.feeds import first_cursor
from tests.live import following, live
from tests.statements import count_statements

CURSOR = "{ eventCursor }"
FOLLOW = "subscription ($after: String) { cartEvents(after: $after) { cursor kind cart { id } } }"


async def test_what_happens_between_reading_and_subscribing_is_delivered(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed:
        cursor = (await data_of(database, CURSOR, actor=ANONYMOUS))["eventCursor"]
        created = await flow.create(database, shop, 3)
        async with following(database, feed, FOLLOW, {"after": cursor}) as answers:
            events = await answers.events(2)
            assert await answers.silent_for(0.3)
        assert [event["kind"] for event in events] == ["CartCreated", "CartLineAdded"]
        assert {event["cart"]["id"] for event in events} == {created["cart"]["id"]}


async def test_what_happened_before_is_not_delivered_again(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    async with live(database) as feed, following(database, feed, FOLLOW) as answers:
        await flow.create(database, shop, 3)
        _, newest = await answers.events(2)
        cursor = (await data_of(database, CURSOR))["eventCursor"]
        assert cursor >= newest["cursor"]
        async with following(database, feed, FOLLOW, {"after": cursor}) as later:
            assert await later.silent_for(0.3)


async def test_a_feed_without_events_has_one_too_and_one_statement_reads_it(database: Database) -> None:
    with count_statements(database) as statements:
        cursor = (await data_of(database, CURSOR))["eventCursor"]
    assert len(statements) == 1, statements
    assert cursor == await first_cursor(database)
    shop = await make_shop(database, stock=10)
    async with live(database) as feed:
        await flow.create(database, shop, 3)
        async with following(database, feed, FOLLOW, {"after": cursor}) as answers:
            (event,) = await answers.events(1)
    assert event["kind"] == "CartCreated"
