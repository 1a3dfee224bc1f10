"""Product lists of 20 with price and availability over HTTP: how many a second, how fast, at what cost.

Each client pages through the catalogue again and again; all clients are in this process. Prints one
JSON line for each number of clients.

    python bench/catalog.py [--clients 1,8,32] [--seconds 10]
"""

import argparse
import asyncio
import time

from bench import _harness, _shop, _statements
from bench._http import Connection, Operation, open_connection

_SKUS = 500
_UNITS = 100
_WARM_UP_SECONDS = 2.0

LIST = Operation(
    "products",
    """query($channel: String!, $after: String) {
      products(channel: $channel, first: 20, after: $after) {
        edges { node { id name variants {
          id sku name price { amount currency } availability { available } } } }
        pageInfo { hasNextPage endCursor }
      }
    }""",
)


async def page(connection: Connection, after: str | None) -> str | None:
    """Ask for the page after a cursor; return the next cursor, None at the end."""
    products = (await connection.post(LIST.body({"channel": _shop.CHANNEL, "after": after})))["products"]
    variant = products["edges"][0]["node"]["variants"][0]
    assert variant["availability"]["available"] > 0, variant
    assert variant["price"]["amount"] == "19.99", variant
    info = products["pageInfo"]
    return info["endCursor"] if info["hasNextPage"] else None


async def load(server: _harness.Server, clients: int, seconds: float) -> list[float]:
    """Let `clients` read pages for `seconds`; return how long each page took."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = await open_connection(_harness.HOST, server.port)
        after: str | None = None
        start = time.perf_counter()
        while start < end:
            after = await page(connection, after)
            now = time.perf_counter()
            times.append(now - start)
            start = now
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def measure(server: _harness.Server, clients: int, seconds: float) -> dict[str, object]:
    """Return one line of results, once warm."""
    await load(server, clients, _WARM_UP_SECONDS)
    with _harness.cost_of(server) as cost:
        times = await load(server, clients, seconds)
    return {
        "bench": "catalog",
        "clients": clients,
        "lists": len(times),
        "lists_per_s": round(len(times) / cost.wall, 1),
        **_harness.percentiles(times),
        "server_cpu_ms_per_list": round(cost.server / len(times) * 1000, 2),
        "postgres_cpu_ms_per_list": round(cost.postgres / len(times) * 1000, 2),
        "client_cpu_share": round(cost.client / cost.wall, 3),
        "server_cpu_share": round(cost.server / cost.wall, 3),
        "server_rss_mb": round(server.rss_mb(), 1),
    }


async def first_page(connection: Connection) -> None:
    """Read one page: what the statements are counted of."""
    await page(connection, None)


async def main(clients: list[int], seconds: float) -> None:
    """Set up, count statements, then measure each number of clients."""
    with _harness.home() as place:
        with _harness.serve(place) as server:
            await _shop.set_up(server, skus=_SKUS, units=_UNITS)
        statements = await _statements.per_call(place, first_page)
        with _harness.serve(place) as server:
            for count in clients:
                line = await measure(server, count, seconds)
                _harness.report(**line, statements_per_list=len(statements))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    _harness.run(main([int(one) for one in given.clients.split(",")], given.seconds))
