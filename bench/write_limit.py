"""The limit of this machine: the statements of a checkout, sent by a bare driver as fast as it can.

One checkout (the seven requests of bench/checkout.py) is recorded as the product sends it, then
asyncpg sends the same statements, with new ids each time, over as many connections as there are
clients. The ratio says how much of that the product reaches over HTTP, beside the same server.

    python bench/write_limit.py [--clients 8] [--seconds 5]
"""

import argparse
from typing import cast

from bench import _harness, _shop
from bench._http import Connection
from bench._recording import InProcess, record, replay
from bench.checkout import Times, checkout, load

_SKUS = 300
_UNITS = 1_000_000


async def measure(server: _harness.Server, skus: list[str], clients: int, seconds: float) -> None:
    """Report one number of clients."""
    url = server.place.database_url
    product = InProcess(url)

    async def flow() -> None:
        # It is asked in the same way as a connection is.
        await checkout(cast("Connection", product), skus, Times())

    await flow()
    flows = [[await record(product, flow)] for _ in range(clients)]
    await product.database.close()
    await load(server, skus, clients, 1.0)
    with _harness.cost_of(server) as cost:
        times = await load(server, skus, clients, seconds)
    sent, wall = await replay(url, flows, seconds)
    reached, limit = len(times.checkouts) / cost.wall, sent / wall
    _harness.report(
        bench="write_limit",
        clients=clients,
        checkouts_per_s=round(reached, 1),
        asyncpg_per_s=round(limit, 1),
        ratio_to_asyncpg=round(reached / limit, 3),
        statements_per_checkout=len(flows[0][0].statements),
    )


async def main(clients: list[int], seconds: float) -> None:
    """Set up a shop and measure each number of clients."""
    with _harness.home() as place, _harness.serve(place) as server:
        skus = await _shop.set_up(server, skus=_SKUS, units=_UNITS)
        for count in clients:
            await measure(server, skus, count, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", default="8")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    _harness.run(main([int(one) for one in given.clients.split(",")], given.seconds))
