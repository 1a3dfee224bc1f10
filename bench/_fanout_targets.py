"""The servers that bench/fanout.py measures, each started alike, on a core of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from bench import _harness
from bench._fanout_shop import Shop

VARIANTS: Mapping[str, Mapping[str, str]] = {"ours": {}, "portable": {"ORDERTIDE_LIVE_FAST_PATH": "false"}}
"""Ways to run `ordertide serve`, by name: what each adds to the environment."""

RIVALS = ("naive", "raw")

CART_EVENTS = "subscription { cartEvents { cursor kind occurredAt version sku quantity cart { id status } } }"
INVENTORY = (
    "subscription($channel: String!, $skus: [String!]!) {"
    " inventoryChanged(channel: $channel, skus: $skus) { sku available asOf } }"
)

# Nothing but the server's speed shall be the limit.
_NO_CAPS = {
    "ORDERTIDE_CONNECTIONS_PER_ADDRESS": "100000",
    "ORDERTIDE_CONNECTIONS_PER_VIEWER": "100000",
    "ORDERTIDE_RATE_LIMIT_PER_SECOND": "0",
}
_READY_SECONDS = 20

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = {_CORES[0]} if len(_CORES) > 1 else None
CLIENT_CORES = {_CORES[1]} if len(_CORES) > 1 else None
"""Where the load client, PostgreSQL and this process run."""

Publish = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class Target:
    """A running server, and how to make it publish events."""

    name: str
    port: int
    process: psutil.Popen
    publish: Publish
    place: _harness.Place | None = None

    def rss_kb(self) -> float:
        """Return the server's resident memory."""
        return float(sum(one.memory_info().rss for one in self._family())) / 1024

    def server_cpu(self) -> float:
        """Return the CPU seconds the server has used."""
        return _harness.cpu_of(self._family())

    def postgres_cpu(self) -> float:
        """Return the CPU seconds that its PostgreSQL has used, if it has one."""
        return 0.0 if self.place is None else _harness.cpu_of(_harness.postgres_of(self.place))

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@asynccontextmanager
async def target(name: str, shop: Shop) -> AsyncIterator[Target]:
    """Run a rival, or ours in one of its variants, until the block ends."""
    if name in RIVALS:
        async with _rival(name) as running:
            yield running
    else:
        with serve(shop.place, variant=name) as server:
            yield Target(name, server.port, server.process, shop.append_events, shop.place)


def serve(
    place: _harness.Place, *arguments: str, variant: str = "ours", cores: set[int] | None = SERVER_CORES
) -> Any:
    """Run ours without its caps (a context manager, see the harness)."""
    extra = {**_NO_CAPS, **VARIANTS[variant]}
    return _harness.serve(place, *arguments, extra=extra, cores=cores)


@asynccontextmanager
async def _rival(name: str) -> AsyncIterator[Target]:
    port = _harness.free_port()
    with _harness.on_cores(SERVER_CORES):
        process = psutil.Popen(
            [sys.executable, "-m", "bench._fanout_rivals", name, str(port)], stdin=subprocess.PIPE
        )

    async def publish(count: int) -> None:
        process.stdin.write(f"{datetime.now(UTC).isoformat(timespec='microseconds')}\n".encode() * count)
        process.stdin.flush()

    try:
        await _listening(process, port)
        yield Target(name, port, process, publish)
    finally:
        process.stdin.close()
        # It holds nothing that would have to end well.
        process.kill()
        process.wait()


async def _listening(process: psutil.Popen, port: int) -> None:
    end = asyncio.get_running_loop().time() + _READY_SECONDS
    while asyncio.get_running_loop().time() < end and process.poll() is None:
        try:
            _, writer = await asyncio.open_connection(_harness.HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError("a server to compare with does not start; what it said is above")


def watching(skus: Sequence[str], channel: str, query: str = INVENTORY) -> list[dict[str, Any]]:
    """Return a payload of subscribe for each SKU, followed by itself."""
    return [{"query": query, "variables": {"channel": channel, "skus": [sku]}} for sku in skus]
