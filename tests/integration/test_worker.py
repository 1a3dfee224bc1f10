"""Background work: one leader at a time, another when it dies, and no job that stops the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import asyncpg
import pytest

from domain.inventory import HoldPolicy
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from persistence import event_log
from persistence.database import Database
from realtime.feed import Feed
from realtime.stamper import Stamper
from realtime.supervise import supervise
from services.access import SYSTEM
from services.context import Environment, ServiceContext
from services.tokens import TokenSigner
from tests.waiting import until
from worker import leader as leadership
from worker.leader import LEASE, Leader
from worker.schedule import Job, Schedule


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "LOOK_SECONDS", 0.05)


async def test_only_one_of_two_processes_leads(database_url: str) -> None:
    async with running(database_url) as first, running(database_url) as second:
        await until(lambda: bool(first) or bool(second))
        await asyncio.sleep(0.3)
        assert len(first) + len(second) == 1


async def test_when_the_leader_stops_another_takes_over(database_url: str) -> None:
    async with running(database_url) as second:
        await until(lambda: bool(second))
        async with running(database_url) as third:
            await asyncio.sleep(0.2)
            assert not third
            await end_leaders_connection(database_url)
            await until(lambda: len(second) + len(third) == 2)


async def test_a_job_that_fails_is_tried_again_and_stops_no_other(database: Database) -> None:
    runs = {"broken": 0, "sound": 0}

    async def broken(context: ServiceContext) -> None:
        runs["broken"] += 1
        raise RuntimeError("broken on purpose")

    async def sound(context: ServiceContext) -> None:
        runs["sound"] += 1
        async with context.read() as connection:
            await connection.exec_driver_sql("SELECT 1")

    environment = Environment(database, TokenSigner("k" * 32), HoldPolicy(900, 7200))
    jobs = (Job("broken", 0.01, broken), Job("sound", 0.01, sound))
    schedule = Schedule(jobs, lambda request_id: ServiceContext(environment, SYSTEM, request_id))
    async with task(schedule.run):
        await until(lambda: runs["broken"] >= 3 and runs["sound"] >= 3)


async def test_a_job_runs_at_once_after_an_event_that_it_is_for(database: Database) -> None:
    runs = 0

    async def count(_: ServiceContext) -> None:
        nonlocal runs
        runs += 1

    feed, stamper = Feed(database), Stamper(database, lambda: None, retention_seconds=3_600)
    environment = Environment(database, TokenSigner("k" * 32), HoldPolicy(900, 7200))
    job = Job("hourly", 3_600, count, frozenset({"ReturnLabelRequested"}))
    schedule = Schedule((job,), lambda request_id: ServiceContext(environment, SYSTEM, request_id), feed)

    async def told(kind: str) -> None:
        async with database.transaction() as connection:
            event = Event(kind, "order", new_id(), 1, datetime.now(UTC), None, {})
            await event_log.append(connection, "test", [event])
        await stamper.stamp_once()
        feed.wake()

    await feed.start()
    try:
        async with task(schedule.run):
            await until(lambda: runs == 1)
            await told("ReturnRequested")
            await told("ReturnLabelRequested")
            await until(lambda: runs == 2)
    finally:
        await feed.stop()


@asynccontextmanager
async def running(url: str) -> AsyncIterator[list[str]]:
    """Run one candidate; the list grows by one each time it begins to lead."""
    led: list[str] = []

    async def work() -> None:
        led.append("leading")
        await asyncio.Event().wait()

    async with task(lambda: supervise("leader", Leader(url, work).run)):
        yield led


@asynccontextmanager
async def task(run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    running_task = asyncio.ensure_future(run())
    try:
        yield
    finally:
        running_task.cancel()
        with suppress(asyncio.CancelledError):
            await running_task


async def end_leaders_connection(url: str) -> None:
    connection = await asyncpg.connect(url)
    ended = await connection.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database"
        " WHERE datname = current_database()) AND (classid::bigint << 32 | objid::bigint) = $1",
        LEASE,
    )
    await connection.close()
    assert ended == 1
