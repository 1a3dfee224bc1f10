"""An abandoned cart on a real server with short times: its stock comes back, and so may its shopper."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.postgres import TestServer
from tests.processes import wait_until
from tests.server import Server, app_token, running_server

HOLD_SECONDS, ABANDON_SECONDS, BACK_ON_SALE_SECONDS, PATIENCE_SECONDS = 8, 12, 5, 20
SETUP = """mutation {
    locationCreate(input: { code: "MAIN", name: "Main" }) { userErrors { message } }
    channelCreate(input: { slug: "web", name: "Web", currency: "USD" }) { userErrors { message } }
    productCreate(input: { name: "Mug", variants: [
        { sku: "MUG", prices: [{ channel: "web", price: { amount: "9.50", currency: "USD" } }] }] }) {
        userErrors { message } }
    stockAdjust(input: { variant: { sku: "MUG" }, locationCode: "MAIN", delta: 3, reason: RECEIVED,
        idempotencyKey: "received" }) { userErrors { message } } }"""
CREATE = """mutation ($quantity: Int!) { cartCreate(input: {
    channel: "web", lines: [{ variant: { sku: "MUG" }, quantity: $quantity }] }) {
    cartToken cart { lines { id } } userErrors { message } } }"""
UPDATE = """mutation ($token: String!) { cartUpdate(input: { cartToken: $token, email: "ada@example.org" }) {
    cart { status lines { holdExpiresAt } }
    userErrors { code ... on InsufficientStockError { sku requested available } } } }"""
REMOVE = """mutation ($token: String!, $line: ID!) {
    cartLineRemove(input: { cartToken: $token, lineId: $line }) { userErrors { message } } }"""
STAFF = "subscription { cartEvents { kind cart { id } } }"
STOCK = 'subscription { inventoryChanged(channel: "web", skus: ["MUG"]) { available } }'
STATUS = "query ($token: String!) { cart(token: $token) { id status lines { holdExpiresAt } } }"


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
    with Follower(server, STAFF, server.token) as staff, Follower(server, STOCK) as stock:
        assert units(stock) == 3
        token = _abandon_and_come_back(server, stock)
        cart_id = ask(server, STATUS, token)["cart"]["id"]
        kinds: list[str] = []
        while "CartReactivated" not in kinds:
            event = staff.next("cartEvents")
            if event["cart"]["id"] == cart_id:
                kinds.append(event["kind"])
    told = ["CartCreated", "CartLineAdded", "CartHoldEnding", "CartHoldExpired", "CartAbandoned"]
    assert kinds == [*told, "CartReactivated"]


def _abandon_and_come_back(server: Server, stock: "Follower") -> str:
    created = server.graphql(CREATE, token="", quantity=3)["data"]["cartCreate"]
    held_at = time.monotonic()
    token = str(created["cartToken"])
    assert units(stock) == 0
    assert units(stock) == 3
    assert HOLD_SECONDS - 1 < time.monotonic() - held_at < HOLD_SECONDS + BACK_ON_SALE_SECONDS
    assert ask(server, STATUS, token)["cart"]["lines"] == [{"holdExpiresAt": None}]

    # Somebody else takes two of the three; the first shopper is told what is left.
    other = server.graphql(CREATE, token="", quantity=2)["data"]["cartCreate"]
    assert units(stock) == 1
    wait_until(
        lambda: ask(server, STATUS, token)["cart"]["status"] == "ABANDONED",
        seconds=ABANDON_SECONDS + BACK_ON_SALE_SECONDS,
    )
    assert ask(server, UPDATE, other["cartToken"])["cartUpdate"]["userErrors"] == []
    refused = ask(server, UPDATE, token)["cartUpdate"]
    assert refused["userErrors"] == [
        {"code": "INSUFFICIENT_STOCK", "sku": "MUG", "requested": 3, "available": 1}
    ]
    assert ask(server, STATUS, token)["cart"]["status"] == "ABANDONED"

    # The other lets go: now the first gets the stock, and the cart is active again.
    line = other["cart"]["lines"][0]["id"]
    assert ask(server, REMOVE, other["cartToken"], line=line)["cartLineRemove"]["userErrors"] == []
    while units(stock) != 3:
        pass
    back = ask(server, UPDATE, token)["cartUpdate"]
    assert back["cart"]["status"] == "ACTIVE"
    assert back["cart"]["lines"][0]["holdExpiresAt"] is not None
    assert units(stock) == 0
    return token


class Follower:
    """One subscription over a websocket; what comes meanwhile waits to be read."""

    def __init__(self, server: Server, document: str, token: str = "") -> None:
        """Connect, as the app that `token` is of, and subscribe."""
        url = f"{server.url.replace('http', 'ws')}/graphql"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(
            connect(url, subprotocols=[Subprotocol("graphql-transport-ws")])
        )
        self._send(type="connection_init", payload={"authorization": f"Bearer {token}"} if token else {})
        assert self._receive()["type"] == "connection_ack"
        self._send(id="1", type="subscribe", payload={"query": document})

    def next(self, field: str) -> dict[str, Any]:
        """Return the next value of the subscription's field."""
        while (message := self._receive())["type"] == "ping":
            self._send(type="pong")
        assert message["type"] == "next", message
        return dict(message["payload"]["data"][field])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _send(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def _receive(self) -> dict[str, Any]:
        return dict(json.loads(self._socket.recv(timeout=PATIENCE_SECONDS)))


def units(stock: "Follower") -> int:
    """Return how many mugs are on sale, by the next value that is pushed."""
    return int(stock.next("inventoryChanged")["available"])


def ask(server: Server, document: str, cart_token: str | None = None, **variables: Any) -> dict[str, Any]:
    """Ask as a shopper; returns the data."""
    if cart_token is not None:
        variables["token"] = cart_token
    named = server.http.post("/graphql", json={"query": document, "variables": variables}).json()
    assert "errors" not in named, named
    return dict(named["data"])
