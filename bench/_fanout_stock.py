"""Scenarios of bench/fanout.py on stock: many topics, two processes, readers who stop reading."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from uuid import uuid4

from bench import _harness, _shop
from bench._fanout_carts import Bench
from bench._fanout_client import Arrival, LoadClient, Wanted, load_client
from bench._fanout_load import at_pace, calm, connected, everybody_has, usage
from bench._fanout_rivals import SKU
from bench._fanout_shop import CONNECTIONS_AN_APP, Shop, add_skus
from bench._fanout_targets import serve, target, watching
from bench._http import Operation, open_connection

_WATCHERS = 10
_CHANGES_A_SECOND = 500
_SETTLE_SECONDS = 2.0
_CROSS_WATCHERS = 10
_CROSS_PACE = 20.0

_ADJUST = Operation(
    "stockAdjust",
    "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { message } } }",
)

Changed = dict[str, list[tuple[int, float]]]
"""The values that a SKU was given, in order, and when each change was sent off."""


def watchers(skus: Sequence[str], each: int, first_address: int = 1) -> Wanted:
    """Return so many anonymous watchers of each SKU."""
    options = {
        "value": "available", "order": "available",
        "per_address": CONNECTIONS_AN_APP, "first_address": first_address,
    }  # fmt: skip
    return Wanted(len(skus) * each, [{}], watching(skus, _shop.CHANNEL), options)


async def topics(bench: Bench, count: int) -> None:
    """Measure how far any watcher is behind, with many SKUs that a few follow each."""
    shop = bench.shop
    skus = await add_skus(shop, count)
    for name in bench.ours:
        changed: Changed = defaultdict(list)
        wanted = watchers(skus, _WATCHERS)
        async with target(name, shop) as server, connected(bench.program, server, wanted) as up:
            client, took = up
            await everybody_has(client, 1)
            await client.reset()
            with usage(server) as used:
                await _change_stock(shop, skus, changed, bench.seconds)
            await asyncio.sleep(_SETTLE_SECONDS)
            await calm(server)
            report, arrivals = await client.report(), await client.arrivals()
        lags, missed = _lags(skus, changed, arrivals)
        changes = sum(map(len, changed.values()))
        _harness.report(
            bench="topics",
            server=name,
            skus=count,
            watchers_each=_WATCHERS,
            changes_per_s=round(changes / used.wall),
            deliveries=report["deliveries"],
            **{f"behind_{figure}": value for figure, value in _harness.percentiles(lags).items()},
            behind_max_ms=round(max(lags) * 1000, 1),
            never_caught_up=missed,
            violations=report["violations"],
            server_cpu_ms_per_change=round(used.server * 1000 / changes, 3),
            **took.summary(),
        )


async def _change_stock(shop: Shop, skus: Sequence[str], changed: Changed, seconds: float) -> None:
    chance = random.Random(7)  # the same changes each time

    async def change(count: int) -> None:
        chosen = chance.sample(skus, min(count, len(skus)))
        sent = time.time()
        await shop.receive_unit(chosen)
        for sku in chosen:
            changed[sku].append((shop.available[sku], sent))

    await at_pace(change, _CHANGES_A_SECOND, seconds)


def _lags(skus: Sequence[str], changed: Changed, arrivals: Sequence[Arrival]) -> tuple[list[float], int]:
    """Return how long each watcher was behind each change, and how often it never caught up."""
    received: dict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        received[arrival.connection].append(arrival)
    lags, missed = [], 0
    for connection in range(len(skus) * _WATCHERS):
        waiting = iter(changed[skus[connection % len(skus)]])
        value, sent = next(waiting, (0, 0.0))
        for arrival in received[connection]:
            while sent and arrival.value >= value:
                lags.append(arrival.at - sent)
                value, sent = next(waiting, (0, 0.0))
        missed += bool(sent) + sum(1 for _ in waiting)
    return lags, missed


async def cross_process(bench: Bench, changes: int) -> None:
    """Measure how long a change through one process takes to a watcher of another."""
    for name in bench.ours:
        # Both share the machine with the client: each is idle most of the time.
        with (
            serve(bench.shop.place, variant=name, cores=None) as here,
            serve(bench.shop.place, variant=name, cores=None) as there,
        ):
            wanted = watchers([SKU], _CROSS_WATCHERS)
            async with (
                load_client(bench.program, here.port, wanted) as near,
                load_client(bench.program, there.port, wanted) as far,
            ):
                for client in (near, far):
                    await client.connect()
                    await everybody_has(client, 1)
                made = await _mutate(bench.shop, here.port, changes)
                await asyncio.sleep(_SETTLE_SECONDS)
                _harness.report(
                    bench="cross_process",
                    server=name,
                    changes=changes,
                    watchers_each=_CROSS_WATCHERS,
                    **await _delays(far, made, "other_process"),
                    **await _delays(near, made, "same_process"),
                )


async def _mutate(shop: Shop, port: int, changes: int) -> dict[int, tuple[float, float]]:
    """Change a SKU over GraphQL; return when each value was committed and when it was answered."""
    token = (await shop.inits(1))[0]["authorization"].removeprefix("Bearer ")
    connection = await open_connection(_harness.HOST, port, token)
    made: dict[int, tuple[float, float]] = {}

    async def change(count: int) -> None:
        for _ in range(count):
            adjustment = {
                "variant": {"sku": SKU}, "locationCode": "EAST", "delta": 1, "reason": "RECEIVED",
                "idempotencyKey": str(uuid4()),
            }  # fmt: skip
            await connection.call(_ADJUST, input=adjustment)
            answered = time.time()
            shop.available[SKU] += 1
            made[shop.available[SKU]] = (await shop.committed_at(SKU), answered)

    await at_pace(change, _CROSS_PACE, changes / _CROSS_PACE)
    connection.close()
    return made


async def _delays(
    client: LoadClient, made: dict[int, tuple[float, float]], where: str
) -> dict[str, float | int]:
    seen = [one for one in await client.arrivals() if one.value in made]
    since_commit = [one.at - made[one.value][0] for one in seen]
    since_answer = [one.at - made[one.value][1] for one in seen]
    return {
        **{f"{where}_commit_{name}": value for name, value in _harness.percentiles(since_commit).items()},
        **{f"{where}_answer_{name}": value for name, value in _harness.percentiles(since_answer).items()},
        f"{where}_frames": len(seen),
    }
