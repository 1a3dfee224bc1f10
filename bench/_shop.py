"""A shop to run benchmarks in: set up over the API, as anybody would."""

import asyncio

from bench._harness import HOST, Server
from bench._http import Connection, Operation, open_connection

CHANNEL = "bench"
_LOCATIONS = ("EAST", "WEST", "NORTH")
_CONNECTIONS = 8

_LOCATION = Operation(
    "locationCreate",
    "mutation($input: LocationCreateInput!) { locationCreate(input: $input) { userErrors { message } } }",
)
_CHANNEL = Operation(
    "channelCreate",
    "mutation($input: ChannelCreateInput!) { channelCreate(input: $input) { userErrors { message } } }",
)
_PRODUCT = Operation(
    "productCreate",
    "mutation($input: ProductCreateInput!) { productCreate(input: $input) { userErrors { message } } }",
)
_STOCK = Operation(
    "stockAdjust",
    "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { message } } }",
)


async def set_up(server: Server, *, skus: int, units: int) -> list[str]:
    """Make a channel with three locations and `skus` products, `units` of each at every location."""
    token = server.cli("app", "create", "bench", "--all-permissions")
    connections = [await open_connection(HOST, server.port, token) for _ in range(_CONNECTIONS)]
    first = connections[0]
    for code in _LOCATIONS:
        await first.call(_LOCATION, input={"code": code, "name": code.title()})
    await first.call(
        _CHANNEL,
        input={"slug": CHANNEL, "name": "Bench", "currency": "USD", "locationCodes": list(_LOCATIONS)},
    )
    names = [f"BENCH-{number:05}" for number in range(skus)]
    shares = [names[offset::_CONNECTIONS] for offset in range(_CONNECTIONS)]
    await asyncio.gather(*(_stock(one, share, units) for one, share in zip(connections, shares, strict=True)))
    for connection in connections:
        connection.close()
    return names


async def _stock(connection: Connection, skus: list[str], units: int) -> None:
    for sku in skus:
        price = {"channel": CHANNEL, "price": {"amount": "19.99", "currency": "USD"}}
        await connection.call(
            _PRODUCT,
            input={"name": f"Product {sku}", "variants": [{"sku": sku, "name": "Plain", "prices": [price]}]},
        )
        for code in _LOCATIONS:
            await connection.call(
                _STOCK,
                input={
                    "variant": {"sku": sku},
                    "locationCode": code,
                    "delta": units,
                    "reason": "RECEIVED",
                    "idempotencyKey": f"{sku}-{code}",
                },
            )
