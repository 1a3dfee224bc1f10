"""A whole order watched by a phone, from the till to the door, across the death of the server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from persistence.database import Database
from providers.carriers.sandbox_desk import CarrierDesk
from tests.e2e.test_live_docs import PHONE, examples
from tests.feeds import opened
from tests.followers import Follower, Stays
from tests.node import Node
from tests.programs import Program
from tests.server import Server, app_token, free_port, running_server
from tests.waiting import until

SETUP = """mutation {
    locationCreate(input: { code: "A", name: "A", address: { name: "Shop", line1: "Lagerstr. 1",
        city: "Berlin", postalCode: "10115", country: "DE" } }) { userErrors { message } }
    channelCreate(input: { slug: "web", name: "Web", currency: "EUR", locationCodes: ["A"] }) {
        userErrors { message } }
    productCreate(input: { name: "Mug", variants: [{ sku: "MUG", weightGrams: 300,
        prices: [{ channel: "web", price: { amount: "10.00", currency: "EUR" } }] }] }) {
        userErrors { message } }
    stockAdjust(input: { variant: { sku: "MUG" }, locationCode: "A", delta: 5, reason: RECEIVED,
        idempotencyKey: "stock" }) { userErrors { message } } }"""
CART = """mutation { cartCreate(input: { channel: "web", email: "ada@example.org",
    lines: [{ variant: { sku: "MUG" }, quantity: 2 }] }) { cartToken userErrors { message } } }"""
ADDRESS = """mutation ($cart: String!) { cartUpdate(input: { cartToken: $cart,
    shippingAddress: { name: "Ada", line1: "1 Main St", city: "Dublin", country: "IE" } }) {
    cart { deliveryOptions { id } } userErrors { message } } }"""
SELECT = """mutation ($cart: String!, $option: ID!) {
    cartDeliveryOptionSelect(input: { cartToken: $cart, deliveryOptionId: $option }) {
    userErrors { message } } }"""
PLACE = """mutation ($cart: String!) { orderPlace(input: { cartToken: $cart, idempotencyKey: "key",
    payment: { provider: "sandbox", method: "ok" } }) {
    orderToken order { fulfillmentOrders { id lines { id quantity } } } userErrors { message } } }"""
PACK = """mutation ($part: ID!, $line: ID!) { shipmentCreate(input: { fulfillmentOrderId: $part,
    carrier: "Sandbox Post", service: "EXPRESS", provider: "sandbox", idempotencyKey: "pack",
    parcels: [{ lines: [{ id: $line, quantity: 2 }], weightGrams: 700 }] }) {
    shipments { id } userErrors { message } } }"""
HAND_OVER = """mutation ($id: ID!) { shipmentHandOver(input: { id: $id, idempotencyKey: "van" }) {
    shipment { status } userErrors { message } } }"""
SHIPMENTS = """query ($order: String!) { order(ref: { token: $order }) { fulfillmentStatus
    shipments { status trackingNumber trackingToken position } } }"""
FOLLOW = """subscription ($token: String!, $after: String) {
    orderUpdated(ref: { token: $token }, after: $after) { cursor kind version } }"""
PHONE_BEFORE = """import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;
const { LIVE_URL: url = "", LIVE_TRACKING: trackingToken = "", LIVE_AFTER: saved } = process.env;
const handle = (step: { cursor: string }): void => console.log(JSON.stringify(step));
"""
STEPS = [
    "OrderPlaced", "ShipmentPacked", "ShipmentLabelCreated", "ShipmentShipped", "ShipmentInTransit",
    "ShipmentOutForDelivery", "ShipmentDelivered",
]  # fmt: skip


@dataclass
class Phone(Follower):
    """Follows one order by its token and remembers what it was told."""

    kinds: list[str] = field(default_factory=list)

    def _take(self, message: Any) -> None:
        if message["type"] == "next" and "errors" not in message["payload"]:
            self.kinds.append(message["payload"]["data"]["orderUpdated"]["kind"])
        super()._take(message)

    def steps(self) -> list[str]:
        """Return the steps it was told of, without what staff alone care for."""
        return [kind for kind in self.kinds if kind in STEPS]


@pytest.fixture
async def database(fresh_database_url: str) -> AsyncIterator[Database]:
    """The database, in which the carrier keeps its record."""
    async with opened(fresh_database_url) as database:
        yield database


def ask(server: Server, document: str, by: str | None = None, **variables: Any) -> dict[str, Any]:
    answer = server.graphql(document, by, **variables)
    assert "errors" not in answer, answer
    (payload,) = answer["data"].values()
    assert payload.get("userErrors", []) == [], payload
    return dict(payload)


def ordered(server: Server) -> dict[str, Any]:
    """Order two mugs as anybody; returns the order's token and its parts."""
    cart = ask(server, CART, "")["cartToken"]
    option = ask(server, ADDRESS, "", cart=cart)["cart"]["deliveryOptions"][0]["id"]
    ask(server, SELECT, "", cart=cart, option=option)
    return ask(server, PLACE, "", cart=cart)


def followed_by_link(node: Node, folder: Path, server: Server, token: str) -> AbstractContextManager[Program]:
    """Run the example of docs/live.md for a phone, which has nothing but a parcel's token."""
    (example,) = (one for one in examples() if one.heading == PHONE)
    program = folder / "phone.ts"
    program.write_text(PHONE_BEFORE + example.text.replace("console.log", "console.error"))
    return node.run(
        program, folder=folder, LIVE_URL=f"ws://127.0.0.1:{server.port}/graphql", LIVE_TRACKING=token
    )


async def test_a_phone_sees_every_step_once_and_in_order_though_the_server_dies(
    database: Database, fresh_database_url: str, tmp_path: Path, node: Node
) -> None:
    port, token = free_port(), await app_token(fresh_database_url)
    settings = {
        "port": str(port),
        "carriers": "sandbox",
        "sandbox_carrier_callback_url": f"http://127.0.0.1:{port}/hooks/carriers/sandbox",
    }
    desk, done = CarrierDesk(database.engine), asyncio.Event()

    with contextlib.ExitStack() as servers:
        first = servers.enter_context(running_server(fresh_database_url, token, tmp_path, **settings))
        assert all(payload["userErrors"] == [] for payload in first.graphql(SETUP)["data"].values())
        start = first.graphql("{ eventCursor }")["data"]["eventCursor"]
        placed = ordered(first)
        order_token = placed["orderToken"]
        phone = Phone(lambda: [first.url], "", FOLLOW, start, cart=order_token)
        following = asyncio.create_task(phone.follow(done, Stays((30.0, 30.0), (0.05, 0.1))))

        (part,) = placed["order"]["fulfillmentOrders"]
        packed = ask(first, PACK, part=part["id"], line=part["lines"][0]["id"])
        (parcel,) = packed["shipments"]
        await until(lambda: "ShipmentLabelCreated" in phone.kinds)
        (labeled,) = ask(first, SHIPMENTS, "", order=order_token)["shipments"]
        link = servers.enter_context(followed_by_link(node, tmp_path, first, labeled["trackingToken"]))
        await asyncio.to_thread(link.wait_for, 1)
        ask(first, HAND_OVER, id=parcel["id"])
        (shipped,) = ask(first, SHIPMENTS, "", order=order_token)["shipments"]
        await desk.advance(shipped["trackingNumber"], "IN_TRANSIT", place="Leipzig")
        await until(lambda: "ShipmentInTransit" in phone.kinds)
        await asyncio.to_thread(link.wait_for, 3)

        first.kill()
        await desk.advance(shipped["trackingNumber"], "OUT_FOR_DELIVERY", place="Dublin")
        servers.enter_context(running_server(fresh_database_url, token, tmp_path, **settings))
        await until(lambda: "ShipmentOutForDelivery" in phone.kinds)
        await desk.advance(shipped["trackingNumber"], "DELIVERED", place="Dublin")
        await until(lambda: "ShipmentDelivered" in phone.kinds)
        shown = [one for one in await asyncio.to_thread(link.finish) if one["kind"]]
        done.set()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

        after = ask(first, SHIPMENTS, "", order=order_token)

    assert (phone.steps(), phone.problems) == (STEPS, [])
    assert len(phone.seen) == len(set(phone.seen))
    assert phone.connects >= 2
    assert [one["kind"] for one in shown] == STEPS[STEPS.index("ShipmentShipped") :]
    assert len({one["cursor"] for one in shown}) == len(shown)
    assert (shown[-1]["parcel"]["status"], shown[-1]["parcel"]["position"]) == ("DELIVERED", "Dublin")
    assert (after["fulfillmentStatus"], after["shipments"][0]["status"]) == ("DELIVERED", "DELIVERED")
