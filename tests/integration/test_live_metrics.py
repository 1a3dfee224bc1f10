"""What an operator sees of live updates."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from prometheus_client import REGISTRY

from domain.kernel.events import Event
from persistence import event_log
from persistence.database import Database
from services.access import Permission
from services.apps import create
from tests.factories import make_context
from tests.live import live
from tests.sockets import graphql, served
from tests.waiting import until

CARTS = "subscription { cartEvents { version } }"


def seen(name: str) -> float:
    return REGISTRY.get_sample_value(f"ordertide_{name}") or 0.0


async def commit(database: Database, version: int, age: timedelta) -> None:
    async with database.transaction() as connection:
        event = Event("Made", "cart", uuid4(), version, datetime.now(UTC) - age)
        await event_log.append(connection, "test", [event])


async def test_connections_streams_and_delays_are_counted_and_history_is_not_late(database: Database) -> None:
    token = await create(make_context(database), "staff", [Permission.CARTS_READ.value])
    before = {
        name: seen(name)
        for name in ("live_executions_total", "live_delivered_total", "live_delay_seconds_count")
    }
    late = seen("live_delay_seconds_sum")
    async with live(database) as feed, served(graphql(database, feed), feed) as server:
        authorization = f"Bearer {token}"
        async with (
            server.ready(authorization=authorization) as one,
            server.ready(authorization=authorization) as other,
        ):
            for client in (one, other):
                await client.subscribe("1", CARTS)
            await until(lambda: seen("live_operations") == 2, 5)
            for version, age in enumerate((timedelta(0), timedelta(days=700), timedelta(seconds=2)), start=1):
                await commit(database, version, age)
                for client in (one, other):
                    message = await client.receive()
                    assert message["payload"]["data"]["cartEvents"]["version"] == version
            assert (seen("live_connections"), seen("live_streams")) == (2, 1)
            assert seen("feed_head") == feed.head

    after = {name: seen(name) - count for name, count in before.items()}
    assert after == {
        "live_executions_total": 3,
        "live_delivered_total": 6,
        "live_delay_seconds_count": 2,
    }
    assert 2 < seen("live_delay_seconds_sum") - late < 10
    assert (seen("live_connections"), seen("live_streams"), seen("live_operations")) == (0, 0, 0)
