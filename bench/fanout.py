"""Live updates to thousands of subscribers: ours, plain Strawberry, and a bare broadcast, in one run.

The server has a core of its own; the load client (C, compiled here), PostgreSQL and this process share
another. Ours is `ordertide serve` as it ships: events are rows committed to the outbox by this process, and
the stamper, the tailer and the transport are in what is measured.

    python bench/fanout.py [--scenario NAME] [--n N,N] [--seconds S] [--servers naive,raw,ours] [--full]

fanout         N subscribers of one stream: deliveries a second and delays, ours against both others
ten_thousand   N subscribers at one event a second: delay, memory and CPU of each
topics         N SKUs with ten watchers each at 500 changes a second: how far any watcher is behind
flat           memory over N events of one stream
cross_process  N changes through GraphQL on one process to watchers of another
stalled        a fifth of N subscribers stop reading: memory, the others' delays, the newest value after
"""

import argparse
import asyncio
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import _fanout_carts, _fanout_stalled, _fanout_stock, _harness
from bench._fanout_carts import Bench
from bench._fanout_client import NoCompiler, build
from bench._fanout_shop import open_shop
from bench._fanout_targets import CLIENT_CORES, RIVALS, VARIANTS


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run, and with which sizes and seconds: in short, and in full."""

    run: Callable[[Bench, int], Awaitable[None]]
    short: tuple[int, ...]
    full: tuple[int, ...]
    short_seconds: float = 2.0
    full_seconds: float = 10.0


SCENARIOS = {
    "fanout": Scenario(_fanout_carts.race, (100, 1_000), (100, 1_000, 5_000, 10_000)),
    "ten_thousand": Scenario(_fanout_carts.many, (10_000,), (10_000,), 4.0, 30.0),
    "topics": Scenario(_fanout_stock.topics, (100,), (100, 1_000)),
    "flat": Scenario(_fanout_carts.flat, (5_000,), (50_000,)),
    "cross_process": Scenario(_fanout_stock.cross_process, (60,), (500,)),
    "stalled": Scenario(_fanout_stalled.stalled, (1_000,), (1_000,), 3.0, 4.0),
}


async def main(
    names: list[str], sizes: list[int], seconds: float | None, full: bool, servers: list[str]
) -> bool:
    """Run scenarios against one shop; say whether any failed."""
    failed = False
    with TemporaryDirectory(prefix="ordertide-fanout-") as folder:
        program = await build(Path(folder))
        # Commit times are kept so that delays can be told from the commit on.
        with _harness.home({"track_commit_timestamp": "on"}) as place:
            shop = await open_shop(place)
            for name in names:
                scenario = SCENARIOS[name]
                usual = scenario.full_seconds if full else scenario.short_seconds
                bench = Bench(program, shop, usual if seconds is None else seconds, servers)
                for size in sizes or (scenario.full if full else scenario.short):
                    failed |= not await _succeeds(name, scenario, bench, size)
            await shop.database.close()
    return failed


async def _succeeds(name: str, scenario: Scenario, bench: Bench, size: int) -> bool:
    """Run a scenario; what it could not measure must not keep the others from it."""
    try:
        await scenario.run(bench, size)
    except (AssertionError, TimeoutError, RuntimeError) as problem:
        _harness.report(bench=name, n=size, failed=str(problem) or type(problem).__name__)
        return False
    return True


def _prepare() -> None:
    """Let servers open as many sockets as we are allowed, and move to our own core."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if CLIENT_CORES is not None:
        os.sched_setaffinity(0, CLIENT_CORES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--n", default="", help="sizes, separated by commas")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--servers", default=",".join((*RIVALS, *VARIANTS)), help="which are measured")
    parser.add_argument("--full", action="store_true", help="the sizes and durations of published figures")
    given = parser.parse_args()
    _prepare()
    try:
        numbers = [int(one) for one in given.n.split(",") if one]
        names, servers = given.scenario or list(SCENARIOS), given.servers.split(",")
        sys.exit(asyncio.run(main(names, numbers, given.seconds, given.full, servers)))
    except NoCompiler as problem:
        sys.exit(f"bench/fanout.py: {problem}")
