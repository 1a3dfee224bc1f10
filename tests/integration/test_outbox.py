"""The outbox as operators see it: what waits, for how long, and that stamping ends it."""

from datetime import UTC, datetime
from uuid import uuid4

from prometheus_client import REGISTRY

from app.readiness import checks
from domain.kernel.events import Event
from persistence import event_log
from persistence.database import Database
from realtime.feed import Feed
from realtime.outbox import OutboxWatch
from realtime.stamper import Stamper

LONG_AGO = datetime(2010, 12, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def commit(database: Database, count: int) -> None:
    events = [Event("OrderImported", "order", uuid4(), 1, LONG_AGO) for _ in range(count)]
    async with database.transaction() as connection:
        await event_log.append(connection, "test", events)


async def test_an_event_counts_as_late_only_while_it_is_seen_waiting(database: Database) -> None:
    clock = Clock()
    watch = OutboxWatch(database, clock)
    ready = checks(database, watch, Feed(database))["outbox"]

    assert await watch.look() == 0
    await commit(database, 3)
    clock.seconds = 100
    assert await watch.look() == 0, "it happened long ago, but waits only now"
    clock.seconds = 129
    assert await ready() is None
    clock.seconds = 131
    assert await watch.look() == 31
    assert "31 s" in (await ready() or "")
    assert REGISTRY.get_sample_value("ordertide_outbox_depth") == 3
    assert REGISTRY.get_sample_value("ordertide_outbox_oldest_seconds") == 31

    stamper = Stamper(database, lambda: None, retention_seconds=60)
    await stamper.stamp_once()
    stamper.close()
    assert await ready() is None
    assert REGISTRY.get_sample_value("ordertide_outbox_depth") == 0


async def test_a_moving_outbox_is_not_late_however_long_it_is(database: Database) -> None:
    clock = Clock()
    watch = OutboxWatch(database, clock)
    stamper = Stamper(database, lambda: None, retention_seconds=60, batch=2)
    await commit(database, 7)
    for clock.seconds in (10, 20, 30):
        assert await watch.look() == 0
        await stamper.stamp_once()
    stamper.close()
