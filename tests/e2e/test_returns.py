"""A return by nothing but the README's examples, watched by its shopper across the death of the server."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from persistence.database import Database
from tests.cart_flows import run_sql
from tests.feeds import opened
from tests.followers import Follower, Stays
from tests.server import Server, app_token, free_port, running_server
from tests.waiting import until
from tests.wire import Wire

README = (Path(__file__).parents[2] / "README.md").read_text()
SKUS = ("MUG", "BOWL", "PLATE")
SETUP = """mutation {
    locationCreate(input: { code: "A", name: "A", address: { name: "Shop", line1: "Lagerstr. 1",
        city: "Berlin", postalCode: "10115", country: "DE" } }) { userErrors { message } }
    channelCreate(input: { slug: "gifts", name: "Gifts", currency: "EUR", locationCodes: ["A"] }) {
        userErrors { message } } }"""
PRODUCT = """mutation ($sku: String!) {
    productCreate(input: { name: "Ware", variants: [{ sku: $sku, weightGrams: 300,
        prices: [{ channel: "gifts", price: { amount: "10.00", currency: "EUR" } }] }] }) {
        userErrors { message } }
    stockAdjust(input: { variant: { sku: $sku }, locationCode: "A", delta: 1, reason: RECEIVED,
        idempotencyKey: $sku }) { userErrors { message } } }"""
CART = """mutation { cartCreate(input: { channel: "gifts", email: "ada@example.org", lines: [
    { variant: { sku: "MUG" }, quantity: 1 }, { variant: { sku: "BOWL" }, quantity: 1 },
    { variant: { sku: "PLATE" }, quantity: 1 }] }) { cartToken userErrors { message } } }"""
ARRIVED = """mutation ($id: ID!) { shipmentTrackingEventAdd(input: { id: $id, status: DELIVERED,
    idempotencyKey: "at the door" }) { shipment { status } userErrors { message path } } }"""
ON_SALE = """subscription { inventoryChanged(channel: "gifts", skus: ["MUG", "BOWL"]) { sku available } }"""


def example(operation: str) -> str:
    """Return the README's example with this field of a query, mutation or subscription."""
    found = [one for one in re.findall(r"```graphql\n(.*?)```", README, re.DOTALL) if f" {operation}(" in one]
    assert found, operation
    return str(found[-1])


def ask(server: Server, document: str, by: str | None = None, **variables: Any) -> dict[str, Any]:
    """Return the first field's answer to what must go well; `by` "" is anybody, None staff."""
    answer = server.graphql(document, by, **variables)
    assert "errors" not in answer, answer
    assert all(payload.get("userErrors", []) == [] for payload in answer["data"].values()), answer
    return dict(next(iter(answer["data"].values())))


@dataclass
class Phone(Follower):
    """Follows the returns of one order by its token, and remembers what it was told."""

    events: list[dict[str, Any]] = field(default_factory=list)

    async def connect(self, url: str, **options: Any) -> Wire:
        """Subscribe as the README does."""
        wire = await Wire.open(url, self.token, self._take, **options)
        wire.subscribe("1", self.query, orderToken=self.cart, after=self.cursor)
        self.connects += 1
        return wire

    def _take(self, message: Any) -> None:
        if message["type"] == "next" and "errors" not in message["payload"]:
            self.events.append(message["payload"]["data"]["returnUpdated"])
        super()._take(message)

    @property
    def kinds(self) -> list[str]:
        """What it was told, in order."""
        return [event["kind"] for event in self.events]


def printed(server: Server, label: dict[str, Any]) -> bytes:
    """Return a label's document, as the shopper prints it."""
    assert label["state"] == "PURCHASED"
    return httpx.get(server.url + label["documentUrl"]).content


class Shelf:
    """What anybody sees on sale, and when."""

    def __init__(self) -> None:
        """See nothing yet."""
        self.available: dict[str, int] = {}
        self.seen_at: dict[str, float] = {}

    def take(self, message: Any) -> None:
        """Take a message of the subscription."""
        if message["type"] == "next":
            told = message["payload"]["data"]["inventoryChanged"]
            self.available[told["sku"]] = told["available"]
            self.seen_at[told["sku"]] = time.monotonic()


@pytest.fixture
async def database(fresh_database_url: str) -> AsyncIterator[Database]:
    """The database, looked into from beside."""
    async with opened(fresh_database_url) as database:
        yield database


def arrived_order(server: Server) -> str:
    """Let a shopper order three articles, and staff and the carrier bring them; returns the order's token."""
    ask(server, SETUP)
    for sku in SKUS:
        ask(server, PRODUCT, sku=sku)
    cart = ask(server, CART, "")["cartToken"]
    options = ask(server, example("cartUpdate"), "", cartToken=cart)["cart"]["deliveryOptions"]
    ask(server, example("cartDeliveryOptionSelect"), "", cartToken=cart, option=options[0]["id"])
    token = str(ask(server, example("orderPlace"), "", cartToken=cart, key="order")["orderToken"])
    (part,) = ask(server, example("order"), "", orderToken=token)["fulfillmentOrders"]
    lines = [{"id": line["id"], "quantity": line["quantity"]} for line in part["lines"]]
    packed = ask(server, example("shipmentCreate"), part=part["id"], lines=lines, key="pack")
    (parcel,) = packed["shipments"]
    ask(server, example("shipmentHandOver"), shipment=parcel["id"], key="van")
    ask(server, ARRIVED, id=parcel["id"])
    return token


async def test_a_shopper_returns_two_of_three_lines_and_sees_each_step_once_though_the_server_dies(
    database: Database, fresh_database_url: str, tmp_path: Path
) -> None:
    port, token = free_port(), await app_token(fresh_database_url)
    done, shelf = asyncio.Event(), Shelf()
    with contextlib.ExitStack() as servers:
        first = servers.enter_context(running_server(fresh_database_url, token, tmp_path, port=str(port)))
        order = arrived_order(first)
        eligible = ask(first, example("returnEligibility"), "", orderToken=order)
        assert [(line["sku"], line["returnable"]) for line in eligible["lines"]] == [(sku, 1) for sku in SKUS]
        start = first.graphql("{ eventCursor }")["data"]["eventCursor"]
        phone = Phone(lambda: [first.url], "", example("returnUpdated"), start, cart=order)
        following = asyncio.create_task(phone.follow(done, Stays((30.0, 30.0), (0.05, 0.1))))
        wanted = [
            {"lineId": line["lineId"], "quantity": 1, "reason": "CHANGED_MIND"}
            for line in eligible["lines"][:2]
        ]
        request = {"orderToken": order, "lines": wanted, "key": str(uuid4())}
        asked = ask(first, example("returnRequest"), "", **request)["return"]
        (listed,) = ask(first, example("returns"))["edges"]
        assert (listed["node"]["id"], listed["node"]["waitsFor"]) == (asked["id"], "STAFF_DECISION")
        approved = ask(first, example("returnApprove"), **{"return": asked["id"]})["return"]
        assert approved["label"] == {"state": "REQUESTED"}
        await until(lambda: "ReturnReadyToSend" in phone.kinds)
        assert printed(first, phone.events[-1]["return"]["label"]).startswith(b"%PDF")
        named = {"return": asked["id"], "location": "A"}
        one, other = ([{"lineId": line["id"], "quantity": 1}] for line in asked["lines"])
        ask(first, example("returnReceive"), **named, lines=one, key="one")
        await until(lambda: "ReturnPartiallyReceived" in phone.kinds)

        first.kill()
        second = servers.enter_context(running_server(fresh_database_url, token, tmp_path, port=str(port)))
        again = ask(second, example("returnRequest"), "", **request)["return"]
        assert again["id"] == asked["id"]
        ask(second, example("returnReceive"), **named, lines=one, key="one")
        ask(second, example("returnReceive"), **named, lines=other, key="other")
        watching = await Wire.open(second.url, "", shelf.take)
        watching.subscribe("1", ON_SALE)
        await until(lambda: shelf.available == {"MUG": 0, "BOWL": 0})
        looks = [{**line, "disposition": "RESTOCKED"} for line in (*one, *other)]
        seen = ask(second, example("returnInspect"), **named, lines=looks, key="looked at")["return"]
        answered_at = time.monotonic()
        assert seen == {"status": "INSPECTED", "waitsFor": "REFUND_DECISION"}
        await until(lambda: shelf.available == {"MUG": 1, "BOWL": 1})
        assert max(shelf.seen_at.values()) - answered_at < 1
        watching.vanish()
        closed = ask(second, example("returnRefund"), **named, key="money")["return"]
        assert ask(second, example("returnRefund"), **named, key="money")["return"] == closed
        await until(lambda: "ReturnClosed" in phone.kinds)
        done.set()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    assert closed["status"] == "CLOSED"
    assert closed["refund"] == {"amount": "20.00", "currency": "EUR"}
    assert [one["status"] for one in closed["transactions"]] == ["SUCCEEDED"]
    (charge,) = await run_sql(database, "SELECT captured_minor, refunded_minor FROM sandbox_charges")
    assert (charge.captured_minor, charge.refunded_minor) == (3000, 2000)
    was_told_each_step_once(phone)


def was_told_each_step_once(phone: Phone) -> None:
    assert (phone.kinds, phone.problems) == (
        [
            "ReturnRequested", "ReturnNeedsReview", "ReturnApproved", "ReturnLabelRequested",
            "ReturnReadyToSend", "ReturnPartiallyReceived", "ReturnReceived",
            "ReturnInspected", "ReturnNeedsReview", "ReturnRefundRequested", "ReturnClosed",
        ],
        [],
    )  # fmt: skip
    assert len(set(phone.seen)) == len(phone.seen)
    assert phone.connects >= 2
    last = phone.events[-1]["return"]
    assert [(line["sku"], line["outcome"], line["refund"]) for line in last["lines"]] == [
        (sku, "REFUNDED", {"amount": "10.00"}) for sku in SKUS[:2]
    ]
