"""Orders fulfilled and shipped over HTTP against one server process: how many a second, at what cost.

Orders of two SKUs are placed and their money reserved first. Then each client takes one after the other,
and sends it whole: one request, after which its parcel has left, its stock is the customer's, its money is
taken and it is COMPLETED. Then asyncpg sends the same statements for further orders as fast as it can: the
ratio says how much of that the product reaches. Prints one JSON line for each number of clients.

    python bench/fulfillment.py [--clients 8] [--seconds 5]
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg

from api.scalars import encode_id
from bench import _harness, _shop, _statements
from bench._http import Connection, Operation, open_connection
from bench._recording import InProcess, record, send_once
from bench.checkout import Times, checkout
from services.access import SYSTEM

_SKUS = 300
_UNITS = 1_000_000
_FORETOLD_PER_S = 150
"""Orders that are placed for each second of load; where they run out, the load ends early."""
_REPLAYED = 1_000
_COUNTED = 20
_PLACING = 8

FULFILL = Operation(
    "fulfillmentOrderFulfill",
    "mutation($input: FulfillmentOrderFulfillInput!) { fulfillmentOrderFulfill(input: $input) {"
    " shipment { id status trackingNumber lines { sku quantity } } fulfillmentOrder { id status }"
    " order { id number status paymentStatus fulfillmentStatus } userErrors { code message } } }",
)
# What the requests of one order name, in the same places for each order.
_IDS = """
    SELECT f.id AS part, array_agg(l.variant_id ORDER BY l.position)
           || array_agg(l.id ORDER BY l.position)
           || (SELECT array_agg(x.id ORDER BY y.position) FROM fulfillment_order_lines x
                 JOIN order_lines y ON y.id = x.order_line_id WHERE x.fulfillment_order_id = f.id)
           || ARRAY[o.id, f.id, p.id, CAST(substr(p.provider_reference, 5) AS uuid)] AS ids
      FROM orders o JOIN order_lines l ON l.order_id = o.id
      JOIN fulfillment_orders f ON f.order_id = o.id AND f.status = 'OPEN'
      JOIN payments p ON p.order_id = o.id
     WHERE o.status = 'OPEN' GROUP BY o.id, f.id, p.id ORDER BY o.id
"""

Waiting = list[tuple[UUID, list[UUID]]]
"""Parts of orders to be sent, each with the ids that sending it names."""


async def place(server: _harness.Server, skus: list[str], count: int) -> None:
    """Place orders to be sent."""
    times = Times()

    async def client() -> None:
        connection = await open_connection(_harness.HOST, server.port)
        while len(times.checkouts) + _PLACING <= count:
            await checkout(connection, skus, times)
        connection.close()

    await asyncio.gather(*(client() for _ in range(_PLACING)))


async def waiting(url: str) -> Waiting:
    """Return what is to be sent, as the database has it."""
    database = await asyncpg.connect(url)
    rows = await database.fetch(_IDS)
    await database.close()
    return [(UUID(str(row["part"])), [UUID(str(one)) for one in row["ids"]]) for row in rows]


async def fulfill(connection: Connection, part_id: UUID) -> None:
    """Send one part of an order; anything but success ends the benchmark."""
    sent = await connection.call(
        FULFILL,
        input={
            "id": encode_id("FulfillmentOrder", part_id),
            "carrier": "Bench Post",
            "trackingNumber": "1Z999",
            "idempotencyKey": str(uuid4()),
        },
    )
    assert sent["order"]["status"] == "COMPLETED", sent


async def load(
    server: _harness.Server, token: str, todo: Waiting, clients: int, seconds: float
) -> list[float]:
    """Let clients send one after the other until the time is over or nothing is left; returns the times."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = await open_connection(_harness.HOST, server.port, token)
        while todo and (started := time.perf_counter()) < end:
            await fulfill(connection, todo.pop()[0])
            times.append(time.perf_counter() - started)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def bare(url: str, todo: Waiting, clients: int) -> float:
    """Return how many orders a second the same statements send, by a bare driver."""
    product = InProcess(url, SYSTEM)
    try:
        part_id, known = todo.pop()
        await fulfill(cast("Connection", product), part_id)  # so that what is read once was read
        part_id, known = todo.pop()
        sent = await record(product, lambda: fulfill(cast("Connection", product), part_id))
    finally:
        await product.database.close()
    rounds = [[sent.renewed(_about(known, ids)) for _, ids in todo[one::clients]] for one in range(clients)]
    return await send_once(url, rounds)


def _about(known: list[UUID], ids: list[UUID]) -> Mapping[UUID, UUID]:
    return dict(zip(known, ids, strict=True))


async def measure(
    server: _harness.Server, token: str, todo: Waiting, clients: int, seconds: float
) -> dict[str, Any]:
    """Return one line of results, once warm."""
    await load(server, token, todo, clients, 1.0)
    with _harness.cost_of(server) as cost:
        times = await load(server, token, todo, clients, seconds)
    rss_mb = server.rss_mb()
    del todo[_REPLAYED:]
    reached = await bare(server.place.database_url, todo, clients)
    done = len(times)
    return {
        "bench": "fulfillment",
        "clients": clients,
        "orders": done,
        "orders_per_s": round(done / cost.wall, 1),
        "asyncpg_per_s": round(reached, 1),
        "ratio_to_asyncpg": round(done / cost.wall / reached, 3),
        **_harness.percentiles(times),
        "server_cpu_ms_per_order": round(cost.server / done * 1000, 2),
        "postgres_cpu_ms_per_order": round(cost.postgres / done * 1000, 2),
        "client_cpu_share": round(cost.client / cost.wall, 3),
        "server_cpu_share": round(cost.server / cost.wall, 3),
        "server_rss_mb": round(rss_mb, 1),
    }


async def main(clients: list[int], seconds: float) -> None:
    """Set up, place orders, count statements, then measure each number of clients."""
    with _harness.home() as place_:
        with _harness.serve(place_) as server:
            skus = await _shop.set_up(server, skus=_SKUS, units=_UNITS)
            token = server.cli("app", "create", "shipper", "--all-permissions")
            await place(server, skus, _COUNTED)
        todo = await waiting(place_.database_url)
        statements = await _statements.per_call(place_, lambda one: fulfill(one, todo.pop()[0]), token=token)
        for count in clients:
            with _harness.serve(place_) as server:
                await place(server, skus, _REPLAYED + round((seconds + 1) * _FORETOLD_PER_S))
                todo = await waiting(place_.database_url)
                line = await measure(server, token, todo, count, seconds)
            _harness.report(**line, statements_per_order=len(statements))


if __name__ == "__main__":
    _harness.command(main, __doc__, clients="8", seconds=5.0)
