"""A server that asks the company's own system, as its settings say."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.credit_server import SECRET, company_system
from tests.e2e.test_abandoned_cart import CREATE, SETUP
from tests.e2e.test_late_approvals import SELECT
from tests.postgres import TestServer
from tests.server import Server, app_token, running_server

RULE = """mutation { approvalRuleCreate(input: { channel: "web", kind: CREDIT_LIMIT, action: REVIEW }) {
    userErrors { message } } }"""
DETAILS = """mutation ($cart: String!) { cartUpdate(input: { cartToken: $cart, email: "Ada@example.org",
    shippingAddress: { name: "Ada", company: "Engines Ltd", line1: "1 Main St", city: "Dublin",
                       country: "IE" } }) {
    cart { deliveryOptions { id } } userErrors { message } } }"""
PLACE = """mutation ($cart: String!) { orderPlace(input: { cartToken: $cart, idempotencyKey: "key",
    payment: { provider: "manual", method: "invoice" } }) {
    order { status review { reasons { code message } } } userErrors { message } } }"""


@pytest.mark.slow
async def test_an_invoice_above_the_credit_waits(
    postgres: TestServer, fresh_database_url: str, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    async with company_system() as company:
        company.answers["ada@example.org"] = '{"available": "12.00", "currency": "USD"}'
        settings = {"credit_check_url": company.url, "credit_check_secret": SECRET}
        # The company's system answers on this loop, so that whatever waits for the server must not.
        start = running_server(fresh_database_url, token, tmp_path, **settings)
        server = await asyncio.to_thread(start.__enter__)
        try:
            small, large = [await asyncio.to_thread(partial(_order, server, units)) for units in (1, 2)]
        finally:
            await asyncio.to_thread(start.__exit__, None, None, None)
    assert small == {"status": "OPEN", "review": None}
    message = "12.00 USD of credit are left, the total is 19.00"
    assert large["status"] == "PENDING_APPROVAL"
    assert large["review"] == {"reasons": [{"code": "CREDIT_LIMIT", "message": message}]}
    assert [asked["authorization"] for asked in company.asked] == [f"bearer {SECRET}"] * 2
    log = server.log.read_text()
    assert SECRET not in log
    assert "ada@example.org" not in log.lower()


def _order(server: Server, units: int) -> dict[str, Any]:
    if units == 1:
        assert all(payload["userErrors"] == [] for payload in server.graphql(SETUP)["data"].values())
        assert server.graphql(RULE)["data"]["approvalRuleCreate"]["userErrors"] == []
    cart = server.graphql(CREATE, quantity=units)["data"]["cartCreate"]["cartToken"]
    details = server.graphql(DETAILS, cart=cart)["data"]["cartUpdate"]
    option = details["cart"]["deliveryOptions"][0]["id"]
    server.graphql(SELECT, cart=cart, option=option)
    return dict(server.graphql(PLACE, cart=cart)["data"]["orderPlace"]["order"])
