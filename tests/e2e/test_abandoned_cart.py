"""An abandoned cart on a real server with short times: its stock comes back, and so may its shopper."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import TestServer
from tests.server import Server, app_token, running_server

HOLD_SECONDS, ABANDON_SECONDS, BACK_ON_SALE_SECONDS = 2, 4, 5
SETUP = """mutation {
    locationCreate(input: { code: "MAIN", name: "Main" }) { userErrors { message } }
    channelCreate(input: { slug: "web", name: "Web", currency: "USD" }) { userErrors { message } }
    productCreate(input: { name: "Mug", variants: [
        { sku: "MUG", prices: [{ channel: "web", price: { amount: "9.50", currency: "USD" } }] }] }) {
        userErrors { message } }
    stockAdjust(input: { variant: { sku: "MUG" }, locationCode: "MAIN", delta: 3, reason: RECEIVED,
        idempotencyKey: "received" }) { userErrors { message } } }"""
AVAILABLE = '{ productVariant(variant: { sku: "MUG" }, channel: "web") { availability { available } } }'
CREATE = """mutation ($quantity: Int!) { cartCreate(input: {
    channel: "web", lines: [{ variant: { sku: "MUG" }, quantity: $quantity }] }) {
    cartToken cart { lines { id } } userErrors { message } } }"""
UPDATE = """mutation ($token: String!) { cartUpdate(input: { cartToken: $token, email: "ada@example.org" }) {
    cart { status lines { holdExpiresAt } }
    userErrors { code ... on InsufficientStockError { sku requested available } } } }"""
REMOVE = """mutation ($token: String!, $line: ID!) {
    cartLineRemove(input: { cartToken: $token, lineId: $line }) { userErrors { message } } }"""
STATUS = "query ($token: String!) { cart(token: $token) { status lines { holdExpiresAt } } }"


@pytest.fixture
async def server(postgres: TestServer, fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose carts are forgotten within seconds, and a shop with three mugs."""
    token = await app_token(fresh_database_url)
    times = {"cart_hold_seconds": str(HOLD_SECONDS), "cart_abandon_seconds": str(ABANDON_SECONDS)}
    with running_server(fresh_database_url, token, tmp_path, **times) as server:
        made = server.graphql(SETUP)["data"]
        assert all(payload["userErrors"] == [] for payload in made.values())
        yield server


@pytest.mark.slow
def test_an_abandoned_cart_gives_its_stock_back(server: Server) -> None:
    created = server.graphql(CREATE, token="", quantity=3)["data"]["cartCreate"]
    held_at = time.monotonic()
    assert available(server) == 0

    wait_until(lambda: available(server) == 3, HOLD_SECONDS + BACK_ON_SALE_SECONDS)
    assert time.monotonic() - held_at >= HOLD_SECONDS - 0.1
    cart = ask(server, STATUS, created["cartToken"])["cart"]
    assert cart["lines"] == [{"holdExpiresAt": None}]

    # Somebody else takes two of the three; the first shopper is told what is left.
    other = server.graphql(CREATE, token="", quantity=2)["data"]["cartCreate"]
    wait_until(
        lambda: ask(server, STATUS, created["cartToken"])["cart"]["status"] == "ABANDONED",
        ABANDON_SECONDS + BACK_ON_SALE_SECONDS,
    )
    late = ask(server, UPDATE, other["cartToken"])["cartUpdate"]
    assert late["userErrors"] == []
    refused = ask(server, UPDATE, created["cartToken"])["cartUpdate"]
    assert refused["userErrors"] == [
        {"code": "INSUFFICIENT_STOCK", "sku": "MUG", "requested": 3, "available": 1}
    ]
    assert ask(server, STATUS, created["cartToken"])["cart"]["status"] == "ABANDONED"

    # The other lets go: now the first gets the stock, and the cart is active again.
    line = other["cart"]["lines"][0]["id"]
    assert ask(server, REMOVE, other["cartToken"], line=line)["cartLineRemove"]["userErrors"] == []
    back = ask(server, UPDATE, created["cartToken"])["cartUpdate"]
    assert back["cart"]["status"] == "ACTIVE"
    assert back["cart"]["lines"][0]["holdExpiresAt"] is not None
    assert available(server) == 0


def available(server: Server) -> int:
    """Return how many mugs anybody could buy now."""
    return int(ask(server, AVAILABLE)["productVariant"]["availability"]["available"])


def ask(server: Server, document: str, cart_token: str | None = None, **variables: Any) -> dict[str, Any]:
    """Ask as a shopper; returns the data."""
    if cart_token is not None:
        variables["token"] = cart_token
    named = server.http.post("/graphql", json={"query": document, "variables": variables}).json()
    assert "errors" not in named, named
    return dict(named["data"])


def wait_until(happened: Any, seconds: float) -> None:
    """Wait until `happened()`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
