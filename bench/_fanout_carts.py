"""Scenarios of bench/fanout.py on one stream that must be delivered: cartEvents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import _harness
from bench._fanout_client import Wanted
from bench._fanout_load import connected, everybody_has, first_event, latency, pour, saturation, usage
from bench._fanout_shop import CONNECTIONS_AN_APP, Shop, Shopper
from bench._fanout_targets import CART_EVENTS, RIVALS, VARIANTS, target

_RACE_DELIVERIES_A_SECOND = 2_000
_FASTEST_PACE = 20.0
_FLAT_SUBSCRIBERS = 10
_FLAT_EARLY = 5


@dataclass(frozen=True, slots=True)
class Bench:
    """What every scenario is given."""

    program: Path
    shop: Shop
    seconds: float
    servers: Sequence[str]

    @property
    def ours(self) -> list[str]:
        """The variants of ours that are measured."""
        return [name for name in self.servers if name in VARIANTS]


async def following(bench: Bench, connections: int, query: str = CART_EVENTS) -> Wanted:
    """Return that everybody follows what happens in carts."""
    options = {"time": "occurredAt", "order": "cursor", "per_address": CONNECTIONS_AN_APP}
    return Wanted(connections, await bench.shop.inits(connections), [{"query": query}], options)


async def race(bench: Bench, connections: int) -> None:
    """Measure every server with so many subscribers of one stream, and compare."""
    rates: dict[str, tuple[float, float]] = {}
    for name in bench.servers:
        rates[name] = await _one_server(bench, name, connections)
    for name in bench.ours:
        ratios: dict[str, float] = {}
        for rival in (name for name in bench.servers if name in RIVALS):
            by_time, by_cpu = (ours / theirs for ours, theirs in zip(rates[name], rates[rival], strict=True))
            ratios |= {f"to_{rival}": round(by_time, 2), f"to_{rival}_by_server_cpu": round(by_cpu, 2)}
        _harness.report(bench="fanout_ratio", server=name, n=connections, **ratios)


async def _one_server(bench: Bench, name: str, connections: int) -> tuple[float, float]:
    pace = min(_FASTEST_PACE, max(1.0, _RACE_DELIVERIES_A_SECOND / connections))
    wanted = await following(bench, connections)
    async with target(name, bench.shop) as server, connected(bench.program, server, wanted) as (client, took):
        await first_event(client, server)
        delays = await latency(client, server.publish, pace, bench.seconds)
        speed = await saturation(server, client, connections, bench.seconds)
    _harness.report(bench="fanout", server=name, n=connections, **speed, **delays, **took.summary())
    return speed["deliveries_per_s"], speed["deliveries_per_server_cpu_s"]


async def many(bench: Bench, connections: int) -> None:
    """Measure ours with many subscribers and an event a second: appended beside it, then by mutations."""
    wanted = await following(bench, connections)
    for name in bench.ours:
        async with target(name, bench.shop) as server:
            shopper = await Shopper.arrive(server.port)
            async with connected(bench.program, server, wanted) as (client, took):
                await first_event(client, server)
                appended = await latency(client, server.publish, 1.0, bench.seconds)
                mutated = await latency(client, shopper.change, 1.0, bench.seconds)
            shopper.leave()
        _harness.report(
            bench="ten_thousand",
            server=name,
            n=connections,
            **appended,
            **{f"mutation_{figure}": value for figure, value in mutated.items()},
            **took.summary(),
        )


async def flat(bench: Bench, events: int) -> None:
    """Measure how the server's memory grows over many events of one stream."""
    wanted = await following(bench, _FLAT_SUBSCRIBERS)
    early = events // _FLAT_EARLY
    for name in bench.ours:
        async with (
            target(name, bench.shop) as server,
            connected(bench.program, server, wanted) as (client, _),
        ):
            await first_event(client, server)
            seen: dict[int, float] = {}
            report: dict[str, Any] = {}
            with usage(server) as used:
                for count in (early, events - early):
                    await pour(client, server.publish, _FLAT_SUBSCRIBERS, count)
                    report = await everybody_has(client, count)
                    seen[count] = server.rss_kb() / 1024
        begun, ended = seen.values()
        _harness.report(
            bench="flat",
            server=name,
            events=events,
            early_events=early,
            early_rss_mb=round(begun, 2),
            rss_mb=round(ended, 2),
            growth_percent=round((ended / begun - 1) * 100, 2),
            events_per_s=round(events / used.wall),
            server_cpu_ms_per_event=round(used.server * 1000 / events, 3),
            violations=report["violations"],
            lost=events - early - report["fewest"],
        )
