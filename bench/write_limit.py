"""The limit of this machine: the statements of a checkout, sent as fast as a driver and as C can.

One checkout (the seven requests of bench/checkout.py) is recorded as the product sends it, then
asyncpg and after it pgbench send the same statements, with new ids each time, over as many connections
as there are clients. The ratios say how much of that the product reaches over HTTP, beside the same
server.

    python bench/write_limit.py [--clients 8] [--seconds 5]
"""

from bench import _harness, _pgbench, _shop
from bench._recording import replay
from bench.checkout import load, recorded

_SKUS = 300
_UNITS = 1_000_000


async def measure(server: _harness.Server, skus: list[str], clients: int, seconds: float) -> None:
    """Report one number of clients."""
    url = server.place.database_url
    flows = await recorded(url, skus, clients)
    await load(server, skus, clients, 1.0)
    with _harness.cost_of(server) as cost:
        times = await load(server, skus, clients, seconds)
    reached = len(times.checkouts) / cost.wall
    bare = await replay(url, flows, seconds)
    pgbench = await _pgbench.run(url, flows, seconds)
    _harness.report(
        bench="write_limit",
        clients=clients,
        checkouts_per_s=round(reached, 1),
        asyncpg_per_s=round(bare, 1),
        pgbench_per_s=None if pgbench is None else round(pgbench, 1),
        ratio_to_asyncpg=round(reached / bare, 3),
        ratio_to_pgbench=None if pgbench is None else round(reached / pgbench, 3),
        statements_per_checkout=len(flows[0][0].statements),
    )


async def main(clients: list[int], seconds: float) -> None:
    """Set up a shop and measure each number of clients."""
    with _harness.home() as place, _harness.serve(place) as server:
        skus = await _shop.set_up(server, skus=_SKUS, units=_UNITS)
        for count in clients:
            await measure(server, skus, count, seconds)


if __name__ == "__main__":
    _harness.command(main, __doc__, clients="8", seconds=5.0)
