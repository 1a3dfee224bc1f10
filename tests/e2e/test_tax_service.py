"""A server that asks the company's own tax service, as its settings say."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.credit_server import SECRET
from tests.e2e.test_abandoned_cart import CREATE, SETUP
from tests.e2e.test_credit_check import DETAILS
from tests.postgres import TestServer
from tests.server import Server, app_token, running_server
from tests.tax_server import tax_system

UPDATE = """mutation ($id: ID!) { channelUpdate(input: { id: $id, taxSource: SERVICE }) {
    channel { settings { taxSource } } userErrors { message } } }"""
CALCULATE = """mutation ($cart: String!) { cartTaxCalculate(input: { cartToken: $cart }) {
    cart { totals { taxPending tax { amount } } } userErrors { code } } }"""


@pytest.mark.slow
async def test_the_tax_service_is_asked_as_the_settings_say(
    postgres: TestServer, fresh_database_url: str, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    async with tax_system() as company:
        settings = {"tax_service_url": company.url, "tax_service_secret": SECRET}
        # The service answers on this loop, so that whatever waits for the server must not.
        start = running_server(fresh_database_url, token, tmp_path, **settings)
        server = await asyncio.to_thread(start.__enter__)
        try:
            payload = await asyncio.to_thread(_calculate, server)
        finally:
            await asyncio.to_thread(start.__exit__, None, None, None)
    amount = company.asked[0]["lines"][0]["amount"]
    tax = str((Decimal(amount) / 10).quantize(Decimal(amount)))
    assert payload == {"cart": {"totals": {"taxPending": False, "tax": {"amount": tax}}}, "userErrors": []}
    assert [asked["authorization"] for asked in company.asked] == [f"bearer {SECRET}"]
    log = server.log.read_text()
    assert SECRET not in log
    assert "ada@example.org" not in log.lower()


def _calculate(server: Server) -> Any:
    assert all(payload["userErrors"] == [] for payload in server.graphql(SETUP)["data"].values())
    [channel] = server.graphql("{ channels { id } }")["data"]["channels"]
    assert server.graphql(UPDATE, id=channel["id"])["data"]["channelUpdate"]["userErrors"] == []
    cart = server.graphql(CREATE, quantity=2)["data"]["cartCreate"]["cartToken"]
    assert server.graphql(DETAILS, cart=cart)["data"]["cartUpdate"]["userErrors"] == []
    return server.graphql(CALCULATE, cart=cart)["data"]["cartTaxCalculate"]
