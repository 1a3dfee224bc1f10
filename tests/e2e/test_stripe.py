"""Cards through Stripe in a deployment: a real server, HTTP both ways, Stripe's side a stand-in."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from persistence.database import Database
from services.tokens import TokenSigner
from tests.checkouts import make_ready_cart, make_stocked_shop, till
from tests.server import SECRET_KEY, Server, app_token, running_server
from tests.stripe_standin.server import Standin

PLACE = """mutation ($input: OrderPlaceInput!) { orderPlace(input: $input) {
    order { id } payment { id status action { type clientSecret url } }
    userErrors { code ... on PaymentDeclinedError { declineCode } } } }"""
ORDER = """query ($ref: OrderRef!) { order(ref: $ref) { paymentStatus payments {
    id status captured { amount } refunded { amount } chargedBack { amount } } } }"""
CAPTURE = """mutation ($input: PaymentCaptureInput!) { paymentCapture(input: $input) {
    transaction { status } userErrors { code message } } }"""
REFUND = """mutation ($input: PaymentRefundInput!) { paymentRefund(input: $input) {
    transaction { status } userErrors { code message } } }"""
SET_ASIDE = "{ paymentCallbacks(state: SET_ASIDE) { edges { node { id } } } }"
ANYBODY = ""


async def ready_carts(database_url: str, how_many: int) -> list[str]:
    """Return tokens of carts that the server will take; each has a unit of 10.00, and 5.00 for delivery."""
    database = Database(database_url, pool_size=1)
    try:
        shop = await make_stocked_shop(database, how_many)
        own = [await make_ready_cart(database, shop, 1) for _ in range(how_many)]
        read, signer = till(database).environment.tokens.read, TokenSigner(SECRET_KEY)
        subjects = [subject for token in own if (subject := read("cart", token)) is not None]
        return [signer.sign("cart", subject.id, subject.generation) for subject in subjects]
    finally:
        await database.close()


def settings(stripe: Standin) -> dict[str, str]:
    return {
        "STRIPE_SECRET_KEY": stripe.secret_key,
        "STRIPE_WEBHOOK_SECRET": stripe.webhook_secret,
        "STRIPE_API_BASE": stripe.url,
        "LOG_LEVEL": "debug",
    }


class Shopper:
    """Somebody who places one order, by the same request until it is decided."""

    def __init__(self, server: Server, cart_token: str, card: str) -> None:
        payment = {
            "provider": "stripe",
            "method": "card",
            "token": card,
            "returnUrl": "https://shop.example/back",
        }
        self._server = server
        self._input = {"cartToken": cart_token, "payment": payment, "idempotencyKey": "place"}

    async def place(self) -> dict[str, Any]:
        answer = await asyncio.to_thread(self._server.graphql, PLACE, ANYBODY, input=self._input)
        assert "errors" not in answer, answer
        return dict(answer["data"]["orderPlace"])

    async def placed(self) -> str:
        """Ask until there is an order; returns its id."""
        return str((await self._until(lambda answer: answer["order"]))["order"]["id"])

    async def declined(self) -> str:
        """Ask until it is declined; returns the code."""
        answer = await self._until(lambda answer: answer["userErrors"])
        return str(answer["userErrors"][0]["declineCode"])

    async def _until(self, done: Any) -> dict[str, Any]:
        end = time.monotonic() + 30
        while not done(answer := await self.place()):
            assert time.monotonic() < end, answer
            await asyncio.sleep(0.2)
        return answer


async def order_until(server: Server, order_id: str, status: str) -> dict[str, Any]:
    """Read an order until its one payment has a status; returns that payment."""
    end = time.monotonic() + 30
    while True:
        answer = await asyncio.to_thread(server.graphql, ORDER, None, ref={"id": order_id})
        (payment,) = answer["data"]["order"]["payments"]
        if payment["status"] == status:
            return dict(payment)
        assert time.monotonic() < end, answer
        await asyncio.sleep(0.2)


async def change(server: Server, document: str, **given: Any) -> None:
    answer = await asyncio.to_thread(server.graphql, document, None, input=given)
    (payload,) = answer["data"].values()
    assert payload["userErrors"] == []
    assert payload["transaction"]["status"] == "SUCCEEDED"


async def test_the_whole_life_of_a_card_payment(
    fresh_database_url: str, tmp_path: Path, stripe: Standin
) -> None:
    paying, failing = await ready_carts(fresh_database_url, 2)
    token = await app_token(fresh_database_url)
    with running_server(fresh_database_url, token, tmp_path, **settings(stripe)) as server:
        hook = f"{server.url}/hooks/stripe"
        shopper = Shopper(server, paying, "pm_card_threeDSecure2Required")
        waiting = await shopper.place()
        assert waiting["payment"]["status"] == "ACTION_REQUIRED"
        action = waiting["payment"]["action"]
        async with httpx.AsyncClient() as browser:
            await browser.post(action["url"], data={"outcome": "pass"})
        (approved,) = stripe.named("payment_intent.amount_capturable_updated")
        assert await stripe.deliver(hook, approved) == 200
        order_id = await shopper.placed()
        payment = await order_until(server, order_id, "AUTHORIZED")

        part, rest = {"amount": "6.00", "currency": "USD"}, {"amount": "9.00", "currency": "USD"}
        await change(server, CAPTURE, id=payment["id"], amount=part, idempotencyKey="c1")
        await change(server, CAPTURE, id=payment["id"], amount=rest, idempotencyKey="c2")
        await change(server, REFUND, id=payment["id"], amount=part, reason="scratched", idempotencyKey="r1")
        # In Stripe's own pages somebody gives more back, and then the bank takes the rest.
        (intent,) = stripe.account.intents
        stripe.account.refund({"payment_intent": intent, "amount": 100})
        stripe.account.dispute(intent, 800)
        told = [event for event in stripe.events if event is not approved]
        for event in [*reversed(told), *told]:
            assert await stripe.deliver(hook, event) == 200
        payment = await order_until(server, order_id, "REFUNDED")
        assert (payment["captured"]["amount"], payment["refunded"]["amount"]) == ("15.00", "7.00")
        assert payment["chargedBack"]["amount"] == "8.00"

        unlucky = Shopper(server, failing, "pm_card_authenticationRequired")
        await unlucky.place()
        second = list(stripe.account.intents)[1]
        stripe.account.authenticate(second, passed=False)
        assert await unlucky.declined() == "payment_intent_authentication_failure"
        assert stripe.account.get(second)["status"] == "canceled"

        set_aside = await asyncio.to_thread(server.graphql, SET_ASIDE)
        assert set_aside["data"]["paymentCallbacks"]["edges"] == []
        log = server.log.read_text()
    secrets = (stripe.secret_key, stripe.webhook_secret, action["clientSecret"], "pm_card_")
    assert [secret for secret in secrets if secret in log] == []


async def test_a_webhook_replayed_with_an_old_time_is_answered_401(
    fresh_database_url: str, tmp_path: Path, stripe: Standin
) -> None:
    (cart,) = await ready_carts(fresh_database_url, 1)
    with running_server(fresh_database_url, "", tmp_path, **settings(stripe)) as server:
        hook = f"{server.url}/hooks/stripe"
        await Shopper(server, cart, "pm_card_visa").placed()
        (event,) = stripe.named("payment_intent.amount_capturable_updated")
        assert await stripe.deliver(hook, event, at=time.time() - 301) == 401
        headers, body = stripe.signed(event)
        async with httpx.AsyncClient() as somebody:
            changed = await somebody.post(hook, headers=headers, content=body.replace(b"1500", b"9500"))
            unsigned = await somebody.post(hook, content=body)
        assert (changed.status_code, unsigned.status_code) == (401, 401)
        assert await stripe.deliver(hook, event) == 200
