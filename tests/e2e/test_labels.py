"""Labels through real processes: a carrier that is down, and workers that die at every point of buying."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bench._environment import child_environment
from persistence.database import Database
from providers.carriers.sandbox_desk import CarrierDesk
from providers.carriers.sandbox_record import parcels
from tests.cart_flows import run_sql
from tests.commands import ordertide
from tests.labeled import packed_parcels
from tests.parcels import words_of
from tests.server import SECRET_KEY, Server, app_token, running_server, running_worker

SETUP = """mutation {
    locationCreate(input: { code: "MAIN", name: "Main", address: { name: "Shop", line1: "1 Quay",
        city: "Dublin", country: "IE" } }) { userErrors { message } }
    channelCreate(input: { slug: "web", name: "Web", currency: "EUR" }) { userErrors { message } }
    productCreate(input: { name: "Mug", variants: [{ sku: "MUG", weightGrams: 350,
        prices: [{ channel: "web", price: { amount: "9.50", currency: "EUR" } }] }] }) {
        userErrors { message } }
    deliveryRateCreate(input: { channel: "web", carrier: "Post", service: "Standard",
        price: { amount: "4.90", currency: "EUR" } }) { userErrors { message } }
    stockAdjust(input: { variant: { sku: "MUG" }, locationCode: "MAIN", delta: 100, reason: RECEIVED,
        idempotencyKey: "received" }) { userErrors { message } } }"""
CART = """mutation { cartCreate(input: { channel: "web",
    lines: [{ variant: { sku: "MUG" }, quantity: 2 }] }) { cartToken userErrors { message } } }"""
DETAILS = """mutation ($cart: String!) { cartUpdate(input: { cartToken: $cart, email: "ada@example.org",
    shippingAddress: { name: "Ada", line1: "1 Main St", city: "Dublin", country: "IE" } }) {
    cart { deliveryOptions { id } } userErrors { message } } }"""
SELECT = """mutation ($cart: String!, $option: ID!) {
    cartDeliveryOptionSelect(input: { cartToken: $cart, deliveryOptionId: $option }) {
    userErrors { message } } }"""
PLACE = """mutation ($cart: String!) { orderPlace(input: { cartToken: $cart, idempotencyKey: "key",
    payment: { provider: "sandbox", method: "ok" } }) {
    order { number status } userErrors { message } } }"""
PARTS = """query ($number: String!) { order(ref: { number: $number }) {
    fulfillmentOrders { id lines { id quantity } } } }"""
PACK = """mutation ($input: ShipmentCreateInput!) { shipmentCreate(input: $input) {
    shipments { id status label { state } } userErrors { message path } } }"""
PARCELS = """query ($number: String!) { order(ref: { number: $number }) { shipments { status trackingNumber
    label { state format url price { amount currency } attempts contentBase64 } } } }"""
BUY = """mutation ($ids: [ID!]!) { shipmentsLabelPurchase(input: { ids: $ids, idempotencyKey: "all" }) {
    results { id shipment { status trackingNumber
        label { state format url price { amount currency } attempts contentBase64 } }
        userErrors { message } }
    documentsUrl userErrors { message } } }"""
# The command line, whose sandbox carrier kills the process around recording its first label.
_DEADLY = """
import os, signal
from providers.carriers.sandbox import SandboxCarrier

sell = SandboxCarrier.buy_label

async def buy_label(self, key, request):
    if {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    await sell(self, key, request)
    os.kill(os.getpid(), signal.SIGKILL)

SandboxCarrier.buy_label = buy_label
from app.cli import main
main()
"""
_SEVERAL_SWEEPS_SECONDS = 2.5
_SWIFT = {"carrier_time_limit_seconds": "0.5"}


@pytest.fixture
async def books(fresh_database_url: str) -> AsyncIterator[Database]:
    """The database, looked into from beside."""
    database = Database(fresh_database_url, pool_size=2)
    yield database
    await database.close()


def ask(server: Server, document: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
    answer = server.graphql(document, token=token, **variables)
    assert "errors" not in answer, answer
    (payload,) = answer["data"].values()
    assert payload.get("userErrors", []) == [], payload
    return dict(payload)


def packed_order(server: Server) -> tuple[str, str]:
    """Order two mugs as a shopper does, and pack them; returns the order's number and the parcel's id."""
    cart = str(ask(server, CART, "")["cartToken"])
    option = ask(server, DETAILS, "", cart=cart)["cart"]["deliveryOptions"][0]["id"]
    ask(server, SELECT, "", cart=cart, option=option)
    order = ask(server, PLACE, "", cart=cart)["order"]
    assert order["status"] == "OPEN"
    (part,) = ask(server, PARTS, number=order["number"])["fulfillmentOrders"]
    lines = [{"id": line["id"], "quantity": line["quantity"]} for line in part["lines"]]
    packed = ask(
        server,
        PACK,
        input={
            "fulfillmentOrderId": part["id"],
            "parcels": [{"lines": lines}],
            "carrier": "Sandbox Post",
            "service": "Express",
            "provider": "sandbox",
            "idempotencyKey": str(uuid4()),
        },
    )
    (shipment,) = packed["shipments"]
    assert (shipment["status"], shipment["label"]["state"]) == ("LABEL_PENDING", "REQUESTED")
    return str(order["number"]), str(shipment["id"])


async def test_while_a_carrier_is_down_orders_go_on_and_each_label_is_bought_once_when_it_returns(
    fresh_database_url: str, books: Database, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    with running_server(fresh_database_url, token, tmp_path, **_SWIFT) as server:
        made = server.graphql(SETUP)["data"]
        assert all(payload["userErrors"] == [] for payload in made.values())
        down = await ordertide(fresh_database_url, "sandbox", "carrier", "faults", "--down-for", "60")
        assert down.returncode == 0, down.stderr
        packed = [packed_order(server) for _ in range(5)]
        ids = [shipment_id for _, shipment_id in packed]
        while_down = ask(server, BUY, ids=ids)
        states = {one["shipment"]["label"]["state"] for one in while_down["results"]}
        assert states == {"REQUESTED"}
        assert while_down["documentsUrl"] is None
        await asyncio.sleep(_SEVERAL_SWEEPS_SECONDS)
        assert await parcels(books.engine) == []
        # However long it takes on a busy machine, it returns only now.
        await CarrierDesk(books.engine).set_faults(down_for_seconds=0)

        labels = await _all_bought(server, [number for number, _ in packed])
        sold = await parcels(books.engine)
        assert len(sold) == len({one.idempotency_key for one in sold}) == 5
        assert {one.tracking_number for one in sold} == {one["trackingNumber"] for one in labels}
        assert {one["label"]["price"]["currency"] for one in labels} == {"EUR"}
        _documents_can_be_had_by_staff_alone(server, labels, ask(server, BUY, ids=ids)["documentsUrl"])


async def _all_bought(server: Server, numbers: list[str]) -> list[dict[str, Any]]:
    """Wait until the sweep has bought every label; nobody asks for them."""
    found: list[dict[str, Any]] = []
    for _ in range(200):
        found = [ask(server, PARCELS, number=one)["shipments"][0] for one in numbers]
        if all(one["label"]["state"] == "PURCHASED" and one["trackingNumber"] for one in found):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"labels are stuck: {found}")


def _documents_can_be_had_by_staff_alone(
    server: Server, labels: list[dict[str, Any]], documents_url: str
) -> None:
    url = labels[0]["label"]["url"]
    one = server.http.get(url, headers=server.headers())
    assert one.status_code == 200
    assert one.headers["content-type"] == "application/pdf"
    assert one.headers["cache-control"] == "private, no-store"
    assert labels[0]["trackingNumber"] in words_of(one.content)
    together = server.http.get(documents_url, headers=server.headers())
    words = words_of(together.content)
    places = [words.index(label["trackingNumber"]) for label in labels]
    assert places == sorted(places)
    assert server.http.get(url).status_code == 401
    assert server.http.get(documents_url, headers={"authorization": "Bearer nobody"}).status_code == 401
    for wrong in (f"/documents/{uuid4()}", "/documents/x"):
        assert server.http.get(wrong, headers=server.headers()).status_code == 404
    assert server.http.get("/documents?shipments=%%%", headers=server.headers()).status_code == 400


@pytest.mark.parametrize("before", [True, False])
async def test_a_worker_killed_around_the_call_leaves_exactly_one_label(
    fresh_database_url: str, books: Database, tmp_path: Path, before: bool
) -> None:
    await packed_parcels(books)
    environment = child_environment(database_url=fresh_database_url, secret_key=SECRET_KEY, **_SWIFT)
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _DEADLY.format(before=before), "worker"],
        env=environment,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(await parcels(books.engine)) == (0 if before else 1)
    (row,) = await run_sql(books, "SELECT label_state, label_attempts FROM shipments")
    assert (row.label_state, row.label_attempts) == ("REQUESTED", 1)

    with running_worker(fresh_database_url, tmp_path, **_SWIFT):
        for _ in range(300):
            (row,) = await run_sql(books, "SELECT label_state, label_attempts FROM shipments")
            if row.label_state == "PURCHASED":
                break
            await asyncio.sleep(0.1)

    assert (row.label_state, row.label_attempts) == ("PURCHASED", 2)
    assert len(await parcels(books.engine)) == 1
