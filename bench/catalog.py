"""Product lists of 20 with price and availability over HTTP: how many a second, how fast, at what cost.

Each client pages through the catalogue again and again; all clients are in this process. Then asyncpg
sends the same statements as fast as it can: the ratio says how much of that the product reaches. Prints
one JSON line for each number of clients.

    python bench/catalog.py [--clients 1,8,32] [--seconds 10]
"""

import asyncio
import time
from typing import cast

from bench import _harness, _shop, _statements
from bench._http import Connection, Operation, open_connection
from bench._recording import InProcess, Recording, record, replay

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
    products = await connection.call(LIST, channel=_shop.CHANNEL, after=after)
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


async def recorded(url: str) -> list[Recording]:
    """Return the statements of every page, as the product sends them."""
    product = InProcess(url)
    after: str | None = None
    pages: list[Recording] = []

    async def flow() -> None:
        nonlocal after
        # It is asked in the same way as a connection is.
        after = await page(cast("Connection", product), after)

    try:
        await flow()
        after = None
        while not pages or after is not None:
            pages.append(await record(product, flow))
    finally:
        await product.database.close()
    return pages


async def measure(server: _harness.Server, clients: int, seconds: float) -> dict[str, object]:
    """Return one line of results, once warm, beside what a bare driver reaches with the statements."""
    url = server.place.database_url
    pages = await recorded(url)
    await load(server, clients, _WARM_UP_SECONDS)
    with _harness.cost_of(server) as cost:
        times = await load(server, clients, seconds)
    rss_mb = server.rss_mb()
    bare = await replay(url, [pages] * clients, seconds)
    return {
        "bench": "catalog",
        "clients": clients,
        "lists": len(times),
        "lists_per_s": round(len(times) / cost.wall, 1),
        "asyncpg_per_s": round(bare, 1),
        "ratio_to_asyncpg": round(len(times) / cost.wall / bare, 3),
        **_harness.percentiles(times),
        "server_cpu_ms_per_list": round(cost.server / len(times) * 1000, 2),
        "postgres_cpu_ms_per_list": round(cost.postgres / len(times) * 1000, 2),
        "client_cpu_share": round(cost.client / cost.wall, 3),
        "server_cpu_share": round(cost.server / cost.wall, 3),
        "server_rss_mb": round(rss_mb, 1),
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
    _harness.command(main, __doc__, clients="1,8,32", seconds=10.0)
