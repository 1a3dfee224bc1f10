"""A provider's approval that comes after the hold has ended, on a real server with a real sweep.

Either the stock is secured again, or nobody pays and the shopper is told: never silence.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from persistence.database import Database
from providers.payments.sandbox import charges
from tests.checkouts import expire_holds
from tests.e2e.test_abandoned_cart import CREATE, SETUP, Follower
from tests.postgres import TestServer
from tests.server import Server, app_token, running_server, running_worker

DETAILS = """mutation ($cart: String!) { cartUpdate(input: { cartToken: $cart, email: "ada@example.org",
    shippingAddress: { name: "Ada", line1: "1 Main St", city: "Dublin", country: "IE" } }) {
    cart { deliveryOptions { id } } userErrors { message } } }"""
SELECT = """mutation ($cart: String!, $option: ID!) {
    cartDeliveryOptionSelect(input: { cartToken: $cart, deliveryOptionId: $option }) {
    userErrors { message } } }"""
PLACE = """mutation ($cart: String!) { orderPlace(input: { cartToken: $cart, idempotencyKey: "key",
    payment: { provider: "sandbox", method: "timeout" } }) {
    order { number status paymentStatus lines { quantity } } payment { status }
    userErrors { __typename ... on InsufficientStockError { sku requested available } } } }"""
STOCK = """{ stockLevels(variant: { sku: "MUG" }) { available held committed } }"""


@pytest.fixture
async def server(postgres: TestServer, fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A server that leaves the background work to a worker, and a shop with three mugs."""
    token = await app_token(fresh_database_url)
    with running_server(fresh_database_url, token, tmp_path, "--role", "api") as server:
        made = server.graphql(SETUP)["data"]
        assert all(payload["userErrors"] == [] for payload in made.values())
        yield server


@pytest.fixture
async def books(fresh_database_url: str) -> AsyncIterator[Database]:
    """The database, looked into from beside."""
    database = Database(fresh_database_url, pool_size=2)
    yield database
    await database.close()


def ask(server: Server, document: str, **variables: Any) -> dict[str, Any]:
    answer = server.graphql(document, token="", **variables)
    assert "errors" not in answer, answer
    (payload,) = answer["data"].values()
    return dict(payload)


def ordered_without_an_answer(server: Server) -> str:
    """Order two mugs with a provider whose answer never comes; returns the cart's token."""
    token = str(ask(server, CREATE, quantity=2)["cartToken"])
    option = ask(server, DETAILS, cart=token)["cart"]["deliveryOptions"][0]["id"]
    assert ask(server, SELECT, cart=token, option=option)["userErrors"] == []
    placed = ask(server, PLACE, cart=token)
    assert (placed["order"], placed["payment"], placed["userErrors"]) == (None, {"status": "PENDING"}, [])
    return token


def kinds_until(follower: Follower, last: str) -> list[str]:
    kinds: list[str] = []
    while last not in kinds:
        kinds.append(follower.next("cartUpdated")["kind"])
    return kinds


def following(token: str) -> str:
    return f'subscription {{ cartUpdated(token: "{token}") {{ kind cart {{ status }} }} }}'


@pytest.mark.slow
async def test_what_nobody_has_taken_is_secured_again(
    server: Server, books: Database, fresh_database_url: str, tmp_path: Path
) -> None:
    token = ordered_without_an_answer(server)
    await expire_holds(books)
    assert server.graphql(STOCK)["data"]["stockLevels"] == [{"available": 3, "held": 0, "committed": 0}]
    with Follower(server, following(token)) as shopper, running_worker(fresh_database_url, tmp_path):
        assert kinds_until(shopper, "CartCompleted")[-1] == "CartCompleted"
        placed = ask(server, PLACE, cart=token)
    assert placed["order"]["status"] == "OPEN"
    assert (placed["order"]["paymentStatus"], placed["order"]["lines"]) == ("AUTHORIZED", [{"quantity": 2}])
    assert server.graphql(STOCK)["data"]["stockLevels"] == [{"available": 1, "held": 0, "committed": 2}]
    assert [charge.state for charge in await charges(books.engine)] == ["AUTHORIZED"]


@pytest.mark.slow
async def test_what_somebody_else_has_is_not_paid_and_the_shopper_is_told(
    server: Server, books: Database, fresh_database_url: str, tmp_path: Path
) -> None:
    token = ordered_without_an_answer(server)
    await expire_holds(books)
    assert ask(server, CREATE, quantity=2)["userErrors"] == []
    with Follower(server, following(token)) as shopper, running_worker(fresh_database_url, tmp_path):
        assert kinds_until(shopper, "CartStockLost")[-1] == "CartStockLost"
        lost = {"__typename": "InsufficientStockError", "sku": "MUG", "requested": 2, "available": 1}
        for _ in range(2):
            refused = ask(server, PLACE, cart=token)
            assert (refused["order"], refused["userErrors"]) == (None, [lost])
        states: list[str] = []
        for _ in range(200):
            states = [charge.state for charge in await charges(books.engine)]
            if states == ["VOIDED"]:
                break
            await asyncio.sleep(0.1)
    assert states == ["VOIDED"]
    assert server.graphql(STOCK)["data"]["stockLevels"] == [{"available": 1, "held": 2, "committed": 0}]
