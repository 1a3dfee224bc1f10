"""Full checkouts over HTTP against one server process: how many a second, how fast, at what cost.

A checkout is seven requests: cart with a line, second line, address and email, delivery options,
choice of one, place, read the order back. Each client does one after the other; all clients are in
this process. Then asyncpg sends the same statements as fast as it can: the ratio says how much of that
the product reaches. Prints one JSON line for each number of clients.

    python bench/checkout.py [--clients 1,8,32] [--seconds 10]
"""

import asyncio
import itertools
import random
import time
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

from bench import _harness, _shop, _statements
from bench._http import Connection, Operation, open_connection
from bench._recording import InProcess, Recording, record, replay

_SKUS = 300
_UNITS = 1_000_000
_WARM_UP_SECONDS = 2.0

_MONEY = "{ amount currency }"
_TOTALS = f"totals {{ subtotal {_MONEY} shipping {_MONEY} tax {_MONEY} discount {_MONEY} total {_MONEY} }}"
_LINES = f"lines {{ id quantity unitPrice {_MONEY} total {_MONEY} variant {{ sku name }} }}"
_CART = f"cart {{ id status version {_LINES} {_TOTALS} }} userErrors {{ code message }}"

CREATE = Operation(
    "cartCreate",
    f"mutation($input: CartCreateInput!) {{ cartCreate(input: $input) {{ cartToken {_CART} }} }}",
)
ADD = Operation(
    "cartLineAdd", f"mutation($input: CartLineAddInput!) {{ cartLineAdd(input: $input) {{ {_CART} }} }}"
)
UPDATE = Operation(
    "cartUpdate", f"mutation($input: CartUpdateInput!) {{ cartUpdate(input: $input) {{ {_CART} }} }}"
)
OPTIONS = Operation(
    "cart",
    "query($token: String!) { cart(token: $token) {"
    f" id deliveryOptions {{ id service price {_MONEY} }} }} }}",
)
SELECT = Operation(
    "cartDeliveryOptionSelect",
    "mutation($input: CartDeliveryOptionSelectInput!)"
    f" {{ cartDeliveryOptionSelect(input: $input) {{ {_CART} }} }}",
)
PLACE = Operation(
    "orderPlace",
    "mutation($input: OrderPlaceInput!) { orderPlace(input: $input) {"
    " order { id number status paymentStatus } orderToken payment { status } userErrors { code message } } }",
)
READ = Operation(
    "order",
    "query($ref: OrderRef!) { order(ref: $ref) { id number status paymentStatus fulfillmentStatus"
    f" lines {{ sku name quantity unitPrice {_MONEY} total {_MONEY} }} {_TOTALS}"
    " shippingAddress { name line1 city postalCode country } payments { status } } }",
)
_ADDRESS = {
    "name": "Ada Shopper",
    "line1": "1600 Amphitheatre Parkway",
    "city": "Mountain View",
    "region": "CA",
    "postalCode": "94043",
    "country": "US",
}


@dataclass(slots=True)
class Times:
    """Seconds of every checkout and of every request within them."""

    checkouts: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)


async def checkout(connection: Connection, skus: list[str], times: Times) -> None:
    """Do the seven requests; anything but success ends the benchmark."""
    laps = [time.perf_counter()]

    def lap() -> None:
        laps.append(time.perf_counter())

    first, second = random.sample(skus, 2)
    line = {"variant": {"sku": first}, "quantity": 1}
    made = await connection.call(
        CREATE, input={"channel": _shop.CHANNEL, "lines": [line], "idempotencyKey": str(uuid4())}
    )
    token = made["cartToken"]
    lap()
    await connection.call(
        ADD,
        input={
            "cartToken": token, "variant": {"sku": second}, "quantity": 2, "idempotencyKey": str(uuid4()),
        },
    )  # fmt: skip
    lap()
    await connection.call(
        UPDATE, input={"cartToken": token, "email": "ada@example.com", "shippingAddress": _ADDRESS}
    )
    lap()
    options = (await connection.call(OPTIONS, token=token))["deliveryOptions"]
    lap()
    await connection.call(SELECT, input={"cartToken": token, "deliveryOptionId": options[0]["id"]})
    lap()
    payment = {"provider": "sandbox", "method": "ok"}
    placed = await connection.call(
        PLACE, input={"cartToken": token, "payment": payment, "idempotencyKey": str(uuid4())}
    )
    lap()
    order = await connection.call(READ, ref={"token": placed["orderToken"]})
    lap()
    assert order["status"] == "OPEN", order
    times.checkouts.append(laps[-1] - laps[0])
    times.requests.extend(end - start for start, end in itertools.pairwise(laps))


async def load(server: _harness.Server, skus: list[str], clients: int, seconds: float) -> Times:
    """Let `clients` check out again and again for `seconds`."""
    times = Times()
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = await open_connection(_harness.HOST, server.port)
        while time.perf_counter() < end:
            await checkout(connection, skus, times)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def recorded(url: str, skus: list[str], clients: int) -> list[list[Recording]]:
    """Return the statements of one checkout for each client, as the product sends them."""
    product = InProcess(url)

    async def flow() -> None:
        # It is asked in the same way as a connection is.
        await checkout(cast("Connection", product), skus, Times())

    try:
        await flow()
        return [[await record(product, flow)] for _ in range(clients)]
    finally:
        await product.database.close()


async def measure(
    server: _harness.Server, skus: list[str], clients: int, seconds: float
) -> dict[str, object]:
    """Return one line of results, once warm, beside what a bare driver reaches with the statements."""
    url = server.place.database_url
    flows = await recorded(url, skus, clients)
    await load(server, skus, clients, _WARM_UP_SECONDS)
    with _harness.cost_of(server) as cost:
        times = await load(server, skus, clients, seconds)
    rss_mb = server.rss_mb()
    bare = await replay(url, flows, seconds)
    done = len(times.checkouts)
    return {
        "bench": "checkout",
        "clients": clients,
        "checkouts": done,
        "checkouts_per_s": round(done / cost.wall, 1),
        "asyncpg_per_s": round(bare, 1),
        "ratio_to_asyncpg": round(done / cost.wall / bare, 3),
        **_harness.percentiles(times.checkouts),
        "request": _harness.percentiles(times.requests),
        "server_cpu_ms_per_checkout": round(cost.server / done * 1000, 2),
        "postgres_cpu_ms_per_checkout": round(cost.postgres / done * 1000, 2),
        "client_cpu_share": round(cost.client / cost.wall, 3),
        "server_cpu_share": round(cost.server / cost.wall, 3),
        "server_rss_mb": round(rss_mb, 1),
    }


async def main(clients: list[int], seconds: float) -> None:
    """Set up, count statements, then measure each number of clients."""
    with _harness.home() as place:
        with _harness.serve(place) as server:
            skus = await _shop.set_up(server, skus=_SKUS, units=_UNITS)
        statements = await _statements.per_call(place, lambda one: checkout(one, skus, Times()))
        with _harness.serve(place) as server:
            for count in clients:
                line = await measure(server, skus, count, seconds)
                _harness.report(**line, statements_per_checkout=len(statements))


if __name__ == "__main__":
    _harness.command(main, __doc__, clients="1,8,32", seconds=10.0)
