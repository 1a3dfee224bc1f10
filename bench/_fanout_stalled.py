"""The scenario of bench/fanout.py in which some readers stop reading."""

import asyncio
from dataclasses import replace

from bench import _harness, _shop
from bench._fanout_carts import Bench, following
from bench._fanout_client import LoadClient
from bench._fanout_load import connected, everybody_has
from bench._fanout_rivals import SKU
from bench._fanout_stock import watchers
from bench._fanout_targets import Target, target, watching

_STALLED_SHARE = 5
_CONFLATED = 100
_CONFLATED_STALLED = 20
_EVENTS_A_SECOND = 20.0
_RECEIVE_BUFFER = 4_096
_LOOK_SECONDS = 0.2
_SETTLE_SECONDS = 3.0
_CUT_OFF_SECONDS = 15.0

# Kernels buffer much for a reader who does not read: wide answers fill that in a second or two.
_WIDE = " ".join(f"cursor{number}: cursor" for number in range(60))
_WIDE_CARTS = f"subscription {{ cartEvents {{ cursor occurredAt {_WIDE} }} }}"
_WIDE_SKU = " ".join(f"sku{number}: sku" for number in range(150))
_WIDE_INVENTORY = (
    "subscription($channel: String!, $skus: [String!]!) {"
    f" inventoryChanged(channel: $channel, skus: $skus) {{ available {_WIDE_SKU} }} }}"
)


async def stalled(bench: Bench, connections: int) -> None:
    """Measure what readers who stop reading cost the server and the others, on both kinds of feed."""
    stopping = connections // _STALLED_SHARE
    small = {"small": max(stopping, _CONFLATED_STALLED), "rcvbuf": _RECEIVE_BUFFER}
    must = await following(bench, connections, _WIDE_CARTS)
    must = replace(must, options={**must.options, **small})
    newest = watchers([SKU], _CONFLATED, first_address=200)
    newest = replace(
        newest,
        subscriptions=watching([SKU], _shop.CHANNEL, _WIDE_INVENTORY),
        options={**newest.options, **small},
    )
    for name in bench.ours:
        async with (
            target(name, bench.shop) as server,
            connected(bench.program, server, must) as (strict, _),
            connected(bench.program, server, newest) as (conflated, _),
        ):
            await everybody_has(conflated, 1)
            done = asyncio.Event()
            writing = asyncio.create_task(_write(bench, done))
            try:
                found = await _stop_reading(bench, server, strict, conflated, stopping)
                await conflated.read_again(0, _CONFLATED_STALLED)
                found |= await _end_of(strict, stopping)
            finally:
                # Not canceled: what is committed must be counted.
                done.set()
                await writing
            found |= await _newest(bench, conflated)
        _harness.report(bench="stalled", server=name, n=connections, stalled=stopping, **found)


async def _write(bench: Bench, done: asyncio.Event) -> None:
    """Commit an event and a change of stock, again and again."""
    while not done.is_set():
        await bench.shop.append_events(1)
        await bench.shop.receive_unit([SKU])
        await asyncio.sleep(1 / _EVENTS_A_SECOND)


async def _stop_reading(
    bench: Bench, server: Target, strict: LoadClient, conflated: LoadClient, stopping: int
) -> dict[str, object]:
    await asyncio.sleep(1.0)
    await strict.reset()
    await asyncio.sleep(bench.seconds)
    before = await strict.report()
    rss = highest = server.rss_kb()
    await strict.stall(0, stopping)
    await conflated.stall(0, _CONFLATED_STALLED)
    await strict.reset()
    for _ in range(int(bench.seconds * 2 / _LOOK_SECONDS)):
        await asyncio.sleep(_LOOK_SECONDS)
        highest = max(highest, server.rss_kb())
    during = await strict.report()
    return {
        "events_per_s": round(during["most"] / during["seconds"], 1),
        "others_p99_before_ms": round(before["p99_ms"], 1),
        "others_p99_during_ms": round(during["p99_ms"], 1),
        "others_p99_ratio": round(during["p99_ms"] / before["p99_ms"], 2),
        "rss_growth_mb": round((highest - rss) / 1024, 1),
        "violations": before["violations"] + during["violations"],
    }


async def _newest(bench: Bench, conflated: LoadClient) -> dict[str, object]:
    """Say whether those who only care for the newest value have it after all, and what they missed."""
    await asyncio.sleep(_SETTLE_SECONDS)
    last: dict[int, int] = {}
    count: dict[int, int] = {}
    for arrival in await conflated.arrivals():
        last[arrival.connection] = arrival.value
        count[arrival.connection] = count.get(arrival.connection, 0) + 1
    stopped = range(_CONFLATED_STALLED)
    report = await conflated.report()
    return {
        "conflated_with_newest": sum(last.get(one) == bench.shop.available[SKU] for one in stopped),
        "conflated_stalled": _CONFLATED_STALLED,
        "others_with_newest": sum(value == bench.shop.available[SKU] for value in last.values()),
        "conflated_values": round(sum(count.get(one, 0) for one in stopped) / _CONFLATED_STALLED, 1),
        "conflated_values_of_others": max(count.values()),
        "conflated_closed": report["closed"],
        "conflated_errors": report["errors"],
        "conflated_violations": report["violations"],
    }


async def _end_of(strict: LoadClient, stopping: int) -> dict[str, object]:
    """Wait until those who must get everything, and never read again, may have been cut off."""
    await asyncio.sleep(_CUT_OFF_SECONDS)
    await strict.read_again(0, stopping)
    await asyncio.sleep(1.0)
    report = await strict.report()
    return {"strict_closed": report["closed"], "strict_errors": report["errors"]}
