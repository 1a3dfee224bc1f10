"""Holds of one SKU that everybody wants: through GraphQL, and the same statements by a bare driver.

Each client has a cart of its own and changes the quantity of its one line to and fro, so that every
request moves stock of the same level. Then asyncpg sends exactly the statements that such a request
had sent, as often as it can, beside the same server. The ratio says what the product itself costs.

    python bench/hot_sku.py [--clients 1,8] [--seconds 5]
"""

import asyncio
import time
from uuid import uuid4

from bench import _harness, _pgbench, _shop
from bench._http import Operation, open_connection
from bench._recording import InProcess, Recording, record, replay

_UNITS = 1_000_000

CREATE = Operation(
    "cartCreate",
    "mutation($input: CartCreateInput!) { cartCreate(input: $input) {"
    " cartToken cart { lines { id } } userErrors { code message } } }",
)
CHANGE = Operation(
    "cartLineUpdate",
    "mutation($input: CartLineUpdateInput!) { cartLineUpdate(input: $input) {"
    " cart { version lines { id quantity holdExpiresAt } } userErrors { code message } } }",
)


def new_cart(sku: str) -> dict[str, object]:
    """Return the input of a cart with one unit."""
    line = {"variant": {"sku": sku}, "quantity": 1}
    return {"channel": _shop.CHANNEL, "lines": [line], "idempotencyKey": str(uuid4())}


def change(made: dict[str, object], quantity: int) -> dict[str, object]:
    """Return the input that changes a made cart's line."""
    cart = made["cart"]
    assert isinstance(cart, dict)
    return {
        "cartToken": made["cartToken"],
        "lineId": cart["lines"][0]["id"],
        "quantity": quantity,
        "idempotencyKey": str(uuid4()),
    }


async def through_graphql(server: _harness.Server, sku: str, clients: int, seconds: float) -> list[float]:
    """Return the seconds of every change that `clients` made."""
    times: list[float] = []

    async def client() -> None:
        connection = await open_connection(_harness.HOST, server.port)
        made = await connection.call(CREATE, input=new_cart(sku))
        end, quantity = time.perf_counter() + seconds, 1
        while (started := time.perf_counter()) < end:
            quantity = 3 - quantity
            await connection.call(CHANGE, input=change(made, quantity))
            times.append(time.perf_counter() - started)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def recorded(product: InProcess, sku: str) -> list[Recording]:
    """Return the statements of a change to 2 and of the change back, for one cart."""
    made = await product.call(CREATE, input=new_cart(sku))

    async def to(quantity: int) -> None:
        await product.call(CHANGE, input=change(made, quantity))

    await to(2)
    await to(1)
    return [await record(product, lambda: to(2)), await record(product, lambda: to(1))]


async def measure(server: _harness.Server, sku: str, clients: int, seconds: float) -> None:
    """Report one number of clients."""
    url = server.place.database_url
    product = InProcess(url)
    flows = [await recorded(product, sku) for _ in range(clients)]
    await product.database.close()
    await through_graphql(server, sku, clients, 1.0)
    with _harness.cost_of(server) as cost:
        times = await through_graphql(server, sku, clients, seconds)
    graphql, bare = len(times) / cost.wall, await replay(url, flows, seconds)
    pgbench = await _pgbench.run(url, flows, seconds)
    _harness.report(
        bench="hot_sku",
        clients=clients,
        holds_per_s=round(graphql, 1),
        **_harness.percentiles(times),
        statements_per_hold=len(flows[0][0].statements),
        asyncpg_per_s=round(bare, 1),
        pgbench_per_s=None if pgbench is None else round(pgbench, 1),
        ratio_to_asyncpg=round(graphql / bare, 3),
        ratio_to_pgbench=None if pgbench is None else round(graphql / pgbench, 3),
        server_cpu_ms_per_hold=round(cost.server / len(times) * 1000, 3),
        postgres_cpu_ms_per_hold=round(cost.postgres / len(times) * 1000, 3),
    )


async def main(clients: list[int], seconds: float) -> None:
    """Set up one SKU and measure each number of clients."""
    with _harness.home() as place, _harness.serve(place) as server:
        [sku] = await _shop.set_up(server, skus=1, units=_UNITS)
        for count in clients:
            await measure(server, sku, count, seconds)


if __name__ == "__main__":
    _harness.command(main, __doc__, clients="1,8", seconds=5.0)
