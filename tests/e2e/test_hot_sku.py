"""More buyers than units, through two server processes: every unit sold once, everybody told the truth.

Carts hold their stock for a few seconds only, so on a slow machine holds end in the middle of a
checkout as well: units move to other carts, and the sums have to be right all the same.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.buyers import Plan, Shopping, Told
from tests.postgres import TestServer
from tests.server import Server, app_token, running_server

pytestmark = pytest.mark.slow

HOLD_SECONDS = 3
_NUMBERS = itertools.count(1)
_LOCATION = """mutation ($code: String!) {
    locationCreate(input: { code: $code, name: $code }) { userErrors { message } } }"""
_SHOP = """mutation ($name: String!, $codes: [String!]!) {
    channelCreate(input: { slug: $name, name: $name, currency: "EUR", locationCodes: $codes }) {
        userErrors { message } }
    productCreate(input: { name: $name, variants: [
        { sku: $name, prices: [{ channel: $name, price: { amount: "9.50", currency: "EUR" } }] }] }) {
        userErrors { message } } }"""
_RECEIVE = (
    """mutation ($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { message } } }"""
)
_MOVED = "coalesce(sum(m.quantity * ((m.to_state = '{0}')::int - (m.from_state = '{0}')::int)), 0) AS {0}_sum"
_LEVELS = f"""
    SELECT s.available, s.held, s.committed,
           {_MOVED.format("available")}, {_MOVED.format("held")}, {_MOVED.format("committed")}
      FROM stock_levels s JOIN variants v ON v.id = s.variant_id
      LEFT JOIN stock_movements m ON m.variant_id = s.variant_id AND m.location_id = s.location_id
     WHERE v.sku = $1 GROUP BY s.id"""
_CARTS = "SELECT count(*) FROM carts k JOIN channels c ON c.id = k.channel_id WHERE c.slug = $1"
_SOLD = """
    SELECT count(DISTINCT o.id) AS orders, coalesce(sum(f.quantity), 0) AS parts,
           count(DISTINCT s.reference) AS charges
      FROM orders o JOIN channels c ON c.id = o.channel_id
      JOIN fulfillment_orders p ON p.order_id = o.id
      JOIN fulfillment_order_lines f ON f.fulfillment_order_id = p.id
      JOIN payments y ON y.order_id = o.id
      JOIN sandbox_charges s ON s.reference = y.provider_reference AND s.state = 'AUTHORIZED'
     WHERE c.slug = $1"""
_CHARGES = """
    SELECT count(*) FROM sandbox_charges s
      JOIN payment_transactions t ON s.idempotency_key = 'ordertide-' || replace(t.id::text, '-', '')
      JOIN payments y ON y.id = t.payment_id JOIN carts k ON k.id = y.cart_id
      JOIN channels c ON c.id = k.channel_id
     WHERE c.slug = $1 AND s.state = 'AUTHORIZED'"""


@dataclass(frozen=True)
class Shop:
    """Two servers over one database, selling one SKU in a channel of its name."""

    servers: Sequence[Server]
    database_url: str
    name: str

    def send(self, buyers: int, **how: Any) -> Shopping:
        """Let buyers come, half of them to each server."""
        return Shopping(Plan([one.url for one in self.servers], self.name, self.name, buyers, **how))

    async def check(self, sold: int, left: int) -> None:
        """Assert what is sold and left, by levels, ledger, orders, their parts and the charges."""
        levels = await self.levels()
        assert sum(level["committed"] for level in levels) == sold
        assert sum(level["available"] + level["held"] for level in levels) == left
        connection = await asyncpg.connect(self.database_url)
        try:
            (found,) = await connection.fetch(_SOLD, self.name)
            charges = await connection.fetchval(_CHARGES, self.name)
        finally:
            await connection.close()
        assert (found["orders"], found["parts"], found["charges"], charges) == (sold, sold, sold, sold)

    async def levels(self) -> list[asyncpg.Record]:
        """Return the levels, each equal to its ledger."""
        connection = await asyncpg.connect(self.database_url)
        try:
            levels = await connection.fetch(_LEVELS, self.name)
        finally:
            await connection.close()
        for level in levels:
            for state in ("available", "held", "committed"):
                assert level[state] == level[f"{state}_sum"]
        return list(levels)


@pytest.fixture(scope="module")
async def servers(
    postgres: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Sequence[Server], str]]:
    """Two server processes, as they would run behind one address, and their database."""
    url = await postgres.clone()
    token, folder = await app_token(url), tmp_path_factory.mktemp("servers")
    times = {"cart_hold_seconds": str(HOLD_SECONDS)}
    with (
        running_server(url, token, folder, **times) as first,
        running_server(url, token, folder, "--role", "api", **times) as second,
    ):
        yield [first, second], url
    await postgres.drop(url)


def open_shop(servers: tuple[Sequence[Server], str], *units: int) -> Shop:
    """Open a shop with so many units at as many locations."""
    both, url = servers
    name = f"shop{next(_NUMBERS)}"
    codes = [f"{name}-{number}" for number in range(len(units))]
    for code in codes:
        _check(both[0].graphql(_LOCATION, code=code))
    _check(both[0].graphql(_SHOP, name=name, codes=codes))
    for code, here in zip(codes, units, strict=True):
        given = {"variant": {"sku": name}, "locationCode": code, "delta": here, "reason": "RECEIVED"}
        _check(both[0].graphql(_RECEIVE, input={**given, "idempotencyKey": code}))
    return Shop(both, url, name)


@pytest.mark.parametrize("units", [(100,), (1, 60, 39)], ids=["in one place", "in three"])
async def test_a_hundred_units_and_two_hundred_buyers(
    servers: tuple[Sequence[Server], str], units: tuple[int, ...]
) -> None:
    shop = open_shop(servers, *units)

    told = await asyncio.to_thread(shop.send(200).results)

    assert _ends(told) == {"placed": 100, "InsufficientStockError": 100}
    assert len({one.number for one in told if one.number}) == 100
    await shop.check(sold=100, left=0)


async def test_the_last_unit_and_fifty_carts(servers: tuple[Sequence[Server], str]) -> None:
    shop = open_shop(servers, 1)

    told = await asyncio.to_thread(shop.send(50).results)

    assert _ends(told) == {"placed": 1, "InsufficientStockError": 49}
    await shop.check(sold=1, left=0)


async def test_holds_that_end_midway_let_others_buy(
    servers: tuple[Sequence[Server], str], tmp_path: Path
) -> None:
    shop = open_shop(servers, 60, 40)
    go_on = tmp_path / "go on"
    slow = shop.send(100, stall_until=str(go_on))
    try:
        await _until_all_held_and_lost(shop, carts=100)

        quick = await asyncio.to_thread(shop.send(100).results)
        go_on.touch()
        late = await asyncio.to_thread(slow.results)
    finally:
        slow.stop()

    assert _ends(quick) == {"placed": 100}
    assert _ends(late) == {"InsufficientStockError": 100}
    await shop.check(sold=100, left=0)


async def _until_all_held_and_lost(shop: Shop, carts: int) -> None:
    connection = await asyncpg.connect(shop.database_url)
    made = 0
    try:
        for _ in range(600):
            made = await connection.fetchval(_CARTS, shop.name)
            if made == carts and not any(level["held"] for level in await shop.levels()):
                return
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
    raise AssertionError(f"{made} carts, {await shop.levels()}")


def _ends(told: Sequence[Told]) -> dict[str, int]:
    return dict(Counter(one.outcome for one in told))


def _check(answer: dict[str, Any]) -> None:
    assert "errors" not in answer, answer
    assert all(payload["userErrors"] == [] for payload in answer["data"].values()), answer
