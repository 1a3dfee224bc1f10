"""The phases of a fan-out measurement: connecting, publishing at a pace, publishing as fast as it goes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._fanout_client import LoadClient, Wanted, load_client
from bench._fanout_targets import Publish, Target

_CALM_SECONDS = 0.3
_CALM_SHARE = 0.15
_CALM_LOOKS = 2
_CALM_PATIENCE = 60.0
_ARRIVAL_PATIENCE = 30.0
_LOOK_SECONDS = 0.05
_TICKS_A_SECOND = 50
# Enough to fill the way through the database, which a rival does not have.
_DELIVERIES_UNDER_WAY = 200_000
_WARM_CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Connected:
    """What connecting and subscribing took: for one connection, all together in seconds."""

    seconds: float
    server_cpu_ms: float
    rss_kb: float

    def summary(self) -> dict[str, float]:
        """Return the figures for a report."""
        return {
            "connect_s": round(self.seconds, 2),
            "connect_server_cpu_ms": round(self.server_cpu_ms, 3),
            "rss_per_subscriber_kb": round(self.rss_kb, 1),
        }


@asynccontextmanager
async def connected(
    program: Path, target: Target, wanted: Wanted
) -> AsyncIterator[tuple[LoadClient, Connected]]:
    """Open and subscribe connections to a server that has seen a few before, and say what that took."""
    few = min(_WARM_CONNECTIONS, wanted.connections)
    async with load_client(program, target.port, Wanted(few, wanted.inits, wanted.subscriptions)) as client:
        await client.connect()
        await target.publish(1)
        await calm(target)
    await calm(target)
    rss, cpu = target.rss_kb(), target.server_cpu()
    async with load_client(program, target.port, wanted) as client:
        answer = await client.connect()
        await calm(target)
        took = (target.server_cpu() - cpu) * 1000 / wanted.connections
        yield client, Connected(answer["seconds"], took, (target.rss_kb() - rss) / wanted.connections)


async def calm(target: Target) -> None:
    """Wait until the server has little to do: subscribing is not acknowledged by the protocol."""
    end, calm_looks = time.monotonic() + _CALM_PATIENCE, 0
    # One look may have met a moment in which the server was waiting for a core.
    while calm_looks < _CALM_LOOKS and time.monotonic() < end:
        before = target.server_cpu()
        await asyncio.sleep(_CALM_SECONDS)
        is_calm = target.server_cpu() - before < _CALM_SHARE * _CALM_SECONDS
        calm_looks = calm_looks + 1 if is_calm else 0


async def everybody_has(client: LoadClient, messages: int) -> dict[str, Any]:
    """Wait until every connection that reads had so many messages; return the client's report."""
    end = time.monotonic() + _ARRIVAL_PATIENCE
    while True:
        report = await client.report()
        if report["fewest"] >= messages or time.monotonic() > end:
            return report
        await asyncio.sleep(_LOOK_SECONDS)


async def first_event(client: LoadClient, target: Target) -> None:
    """Publish until now and see that everybody is subscribed."""
    await client.reset()
    await target.publish(1)
    report = await everybody_has(client, 1)
    if report["fewest"] < 1:
        raise AssertionError(f"{target.name}: not everybody got the first event: {report}")


async def at_pace(act: Callable[[int], Awaitable[None]], rate: float, seconds: float) -> int:
    """Do something `rate` times a second, several at once where that is often; return how often."""
    loop = asyncio.get_running_loop()
    start, done = loop.time(), 0
    wanted = max(1, round(rate * seconds))
    while done < wanted:
        due = min(wanted, int((loop.time() - start) * rate) + 1)
        if due > done:
            await act(due - done)
            done = due
        next_one = start + done / rate
        await asyncio.sleep(max(next_one - loop.time(), 1 / _TICKS_A_SECOND))
    return done


async def latency(client: LoadClient, publish: Publish, rate: float, seconds: float) -> dict[str, Any]:
    """Publish at a pace and return how long deliveries took; each must have arrived by the end."""
    await client.reset()
    published = await at_pace(publish, rate, seconds)
    report = await everybody_has(client, published)
    return {
        "latency_events": published,
        **{name: round(report[name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")},
        **failures(report, published),
    }


def failures(report: dict[str, Any], published: int) -> dict[str, Any]:
    """Return what went wrong, of a report and what was published meanwhile; nothing where nothing did."""
    found = {
        "lost": max(0, published - report["fewest"]),
        "doubled": max(0, report["most"] - published),
        "violations": report["violations"],
        "errors": report["errors"],
        "closed": report["closed"],
    }
    return {name: value for name, value in found.items() if value}


async def saturation(target: Target, client: LoadClient, connections: int, seconds: float) -> dict[str, Any]:
    """Publish as fast as it is delivered, with few events under way, and return how fast that is."""
    async with flooding(client, target.publish, connections):
        await asyncio.sleep(min(1.0, seconds / 2))
        start = await client.report()
        with usage(target) as used:
            await asyncio.sleep(seconds)
        end = await client.report()
    wall = end["seconds"] - start["seconds"]
    deliveries = end["deliveries"] - start["deliveries"]
    return {
        "deliveries_per_s": round(deliveries / wall),
        # Hardly depends on who else is using the machine.
        "deliveries_per_server_cpu_s": round(deliveries / used.server),
        "message_bytes": round((end["bytes"] - start["bytes"]) / max(1, deliveries)),
        "server_cores": round(used.server / used.wall, 2),
        "postgres_cores": round(used.postgres / used.wall, 2),
        "client_cores": round((end["cpu"] - start["cpu"]) / wall, 2),
        "rss_mb": round(target.rss_kb() / 1024, 1),
        **({"saturation_violations": end["violations"]} if end["violations"] else {}),
        **({"saturation_closed": end["closed"]} if end["closed"] else {}),
    }


@asynccontextmanager
async def flooding(client: LoadClient, publish: Publish, connections: int) -> AsyncIterator[None]:
    """Publish inside the block as fast as events are delivered, with a small number under way."""
    flood = asyncio.create_task(pour(client, publish, connections, None))
    try:
        yield
        if flood.done():
            flood.result()
    finally:
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        await client.tell_every(0)


async def pour(client: LoadClient, publish: Publish, connections: int, events: int | None) -> None:
    """Publish so many events (None: without end), each as soon as one before it has been delivered."""
    window = max(4, min(200, _DELIVERIES_UNDER_WAY // connections))
    await client.reset()
    await client.tell_every(max(1, window // 4) * connections)
    published = 0
    while events is None or published < events:
        room = window + client.deliveries // connections - published
        if events is not None:
            room = min(room, events - published)
        if room > 0:
            await publish(room)
            published += room
        await client.moved(1.0)


@dataclass(slots=True)
class Usage:
    """CPU seconds of a block."""

    server: float = 0.0
    postgres: float = 0.0
    wall: float = 0.0


@contextmanager
def usage(target: Target) -> Iterator[Usage]:
    """Measure what the block takes of the server and its PostgreSQL."""
    used = Usage(target.server_cpu(), target.postgres_cpu(), time.perf_counter())
    yield used
    used.server = target.server_cpu() - used.server
    used.postgres = target.postgres_cpu() - used.postgres
    used.wall = time.perf_counter() - used.wall
