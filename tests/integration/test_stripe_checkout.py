"""Checkouts paid through Stripe: what a storefront sends and is told, and what is kept of it meanwhile."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from persistence.database import Database
from services.access import ANONYMOUS
from services.payment_sweep import settle_due
from tests import drafts
from tests.checkouts import cart_status, expire_holds, later, levels, make_ready_cart, make_stocked_shop, till
from tests.factories import data_of
from tests.statements import count_statements
from tests.stripe_standin.paying import paid_by
from tests.stripe_standin.server import Standin

PLACE = """mutation ($input: OrderPlaceInput!) { orderPlace(input: $input) {
    order { id paymentStatus payments { status authorized { amount } action { type } } }
    payment { id status action { type clientSecret url } }
    userErrors { code message path ... on PaymentDeclinedError { declineCode } } } }"""
RETURN_URL = "https://shop.example/return"
KEPT = text("SELECT placement FROM payments")
WAIT_LONG = text("UPDATE payment_transactions SET next_attempt_at = now() + interval '10 minutes'")


async def order_place(
    database: Database, token: str, card: str | None, key: str, changes: dict[str, Any], **more: str
) -> dict[str, Any]:
    payment = {"provider": "stripe", "method": "card", "token": card, **more}
    variables = {"input": {"cartToken": token, "payment": payment, "idempotencyKey": key}}
    answer: dict[str, Any] = await data_of(database, PLACE, variables, ANONYMOUS, **changes)
    return dict(answer["orderPlace"])


async def kept(database: Database) -> dict[str, Any]:
    """Return what the one payment keeps for its request."""
    async with database.read() as connection:
        return dict(await connection.scalar(KEPT))


async def test_an_order_is_paid_by_card_and_nothing_of_the_card_is_kept(
    database: Database, stripe: Standin
) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 2)
    with count_statements(database) as sent:
        placed = await order_place(database, token, "pm_card_visa", "k", paid_by(stripe))
    assert len(sent) <= 15, sent
    assert placed["userErrors"] == []
    assert placed["payment"]["action"] is None
    (payment,) = placed["order"]["payments"]
    assert payment == {"status": "AUTHORIZED", "authorized": {"amount": "25.00"}, "action": None}
    (intent,) = stripe.account.intents.values()
    assert (intent["amount"], intent["currency"], intent["status"]) == (2_500, "usd", "requires_capture")
    assert {"means", "action"}.isdisjoint(await kept(database))
    # The same request later: the same order; with another card it is another request.
    assert (await order_place(database, token, "pm_card_visa", "k", paid_by(stripe)))["order"]["id"] == (
        placed["order"]["id"]
    )
    other = await order_place(database, token, "pm_card_gb", "k", paid_by(stripe))
    assert other["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(stripe.account.intents) == 1


async def test_a_shopper_proves_who_they_are_and_the_order_is_placed(
    database: Database, stripe: Standin
) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    changes = paid_by(stripe)
    asked = ("pm_card_threeDSecure2Required", "k", changes)
    first = await order_place(database, token, *asked, returnUrl=RETURN_URL)
    assert (first["order"], first["userErrors"]) == (None, [])
    assert first["payment"]["status"] == "ACTION_REQUIRED"
    action = first["payment"]["action"]
    assert action["type"] == "redirect_to_url"
    # Whoever comes back before they have done it is told the same again, and the cart waits.
    assert await order_place(database, token, *asked, returnUrl=RETURN_URL) == first
    assert await cart_status(database, token) == "CHECKOUT"
    assert (await kept(database))["action"]["client_secret"] == action["clientSecret"]
    async with httpx.AsyncClient() as browser:
        back = await browser.post(action["url"], data={"outcome": "pass"})
    assert "redirect_status=succeeded" in back.headers["location"]
    assert await settle_due(later(database, **changes)) == 1
    done = await order_place(database, token, *asked, returnUrl=RETURN_URL)
    assert done["order"]["payments"][0]["status"] == "AUTHORIZED"
    assert done["payment"]["action"] is None
    assert {"means", "action"}.isdisjoint(await kept(database))


async def test_staff_place_a_draft_with_a_card_and_are_told_what_its_holder_has_to_do(
    database: Database, stripe: Standin
) -> None:
    shop = await make_stocked_shop(database, 5)
    document = PLACE.replace("OrderPlaceInput", "OrderDraftPlaceInput").replace(
        "orderPlace(", "orderDraftPlace("
    )

    async def place(order: dict[str, Any], card: str, key: str) -> Any:
        payment = {"provider": "stripe", "method": "card", "token": card, "returnUrl": RETURN_URL}
        given = {"id": order["id"], "payment": payment, "idempotencyKey": key}
        answer = await data_of(database, document, {"input": given}, drafts.STAFF, **paid_by(stripe))
        return answer["orderDraftPlace"]

    plain = (await drafts.ready(database, shop, 1))["order"]
    placed = await place(plain, "pm_card_visa", "plain")
    assert (placed["userErrors"], placed["order"]["id"]) == ([], plain["id"])
    assert (await place(plain, "pm_card_gb", "plain"))["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    [error] = (await place(plain, "4242424242424242", "bad"))["userErrors"]
    assert error["path"] == ["payment", "token"]
    secure = (await drafts.ready(database, shop, 1))["order"]
    waiting = await place(secure, "pm_card_threeDSecure2Required", "secure")
    assert waiting["payment"]["status"] == "ACTION_REQUIRED"
    assert waiting["payment"]["action"]["type"] == "redirect_to_url"
    assert waiting["payment"]["action"]["url"]


async def test_coming_back_makes_the_sweep_look_at_once(database: Database, stripe: Standin) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    changes = paid_by(stripe)
    asked = (token, "pm_card_authenticationRequired", "k", changes)
    first = await order_place(database, *asked)
    assert first["payment"]["action"]["type"] == "use_stripe_sdk"
    assert first["payment"]["action"]["url"] is None
    async with database.transaction() as connection:
        await connection.execute(WAIT_LONG)
    (intent,) = stripe.account.intents
    stripe.account.authenticate(intent, passed=True)
    assert await settle_due(till(database, **changes)) == 0
    with count_statements(database) as sent:
        await order_place(database, *asked)
    assert len(sent) <= 8, sent
    assert await settle_due(till(database, **changes)) == 1
    assert (await order_place(database, *asked))["order"] is not None


async def test_who_does_not_prove_who_they_are_is_declined_and_has_their_cart_back(
    database: Database, stripe: Standin
) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    changes = paid_by(stripe)
    await order_place(database, token, "pm_card_threeDSecure2Required", "k", changes)
    (intent,) = stripe.account.intents
    stripe.account.authenticate(intent, passed=False)
    await settle_due(later(database, **changes))
    declined = await order_place(database, token, "pm_card_threeDSecure2Required", "k", changes)
    (error,) = declined["userErrors"]
    assert (error["code"], error["declineCode"]) == (
        "PAYMENT_DECLINED",
        "payment_intent_authentication_failure",
    )
    assert await cart_status(database, token) == "ACTIVE"
    assert {"means", "action"}.isdisjoint(await kept(database))
    # Nothing can be paid any more that has no order; another card under a new key can.
    assert stripe.account.get(intent)["status"] == "canceled"
    assert (await order_place(database, token, "pm_card_visa", "k2", changes))["order"] is not None


async def test_an_action_nobody_takes_is_given_up_and_voided(database: Database, stripe: Standin) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    changes = paid_by(stripe)
    await order_place(database, token, "pm_card_threeDSecure2Required", "k", changes)
    for hours in (25, 26):
        await settle_due(later(database, hours, **changes))
    (intent,) = stripe.account.intents.values()
    assert intent["status"] == "canceled"
    assert await cart_status(database, token) == "ACTIVE"


async def test_a_declined_card_is_a_decline_with_its_code(database: Database, stripe: Standin) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    card = "pm_card_visa_chargeDeclinedInsufficientFunds"
    declined = await order_place(database, token, card, "k", paid_by(stripe))
    assert declined["userErrors"][0]["declineCode"] == "insufficient_funds"
    assert {"means", "action"}.isdisjoint(await kept(database))


async def test_a_charge_whose_answer_never_came_becomes_its_order(
    database: Database, stripe: Standin
) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    changes = paid_by(stripe, time_limit_seconds=0.5)
    stripe.fail("hang", "post /v1/payment_intents")
    pending = await order_place(database, token, "pm_card_visa", "k", changes)
    assert (pending["payment"]["status"], pending["order"]) == ("PENDING", None)
    await settle_due(later(database, **paid_by(stripe)))
    assert (await order_place(database, token, "pm_card_visa", "k", changes))["order"] is not None
    assert len(stripe.account.intents) == 1


async def test_a_request_that_got_lost_is_sent_again_with_the_same_card(
    database: Database, stripe: Standin
) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    changes = paid_by(stripe)
    stripe.fail("lost", "post /v1/payment_intents")
    await order_place(database, token, "pm_card_gb", "k", changes, returnUrl=RETURN_URL)
    assert (await kept(database))["means"] == {"token": "pm_card_gb", "returnUrl": RETURN_URL}
    await settle_due(later(database, **changes))
    placed = await order_place(database, token, "pm_card_gb", "k", changes, returnUrl=RETURN_URL)
    assert placed["order"] is not None
    sent = [asked for asked in stripe.requests if asked.operation == ("post", "/v1/payment_intents")]
    assert [asked.parameters["payment_method"] for asked in sent] == ["pm_card_gb"] * 2
    assert len({asked.key for asked in sent}) == 1


async def test_an_approval_without_stock_is_canceled_at_stripe(database: Database, stripe: Standin) -> None:
    shop = await make_stocked_shop(database, 1)
    token = await make_ready_cart(database, shop, 1)
    changes = paid_by(stripe)
    await order_place(database, token, "pm_card_threeDSecure2Required", "k", changes)
    (intent,) = stripe.account.intents
    stripe.account.authenticate(intent, passed=True)
    await expire_holds(database)
    other = await make_ready_cart(database, shop, 1)
    assert (await order_place(database, other, "pm_card_visa", "k", changes))["order"] is not None
    await settle_due(later(database, **changes))
    assert stripe.account.get(intent)["status"] == "canceled"
    assert await levels(database, shop) == [(0, 0, 1)]
    assert {"means", "action"}.isdisjoint(await kept(database))


@pytest.mark.parametrize(
    ("currency", "shipping", "shown", "written"),
    [("JPY", 234, "1234", 1_234), ("KWD", 230, "1.230", 1_230), ("ISK", 234, "1234", 123_400)],
)
async def test_an_order_is_paid_in_the_currency_of_its_channel(
    database: Database, stripe: Standin, currency: str, shipping: int, shown: str, written: int
) -> None:
    shop = await make_stocked_shop(database, 5, currency=currency)
    token = await make_ready_cart(database, shop, 1, shipping_minor=shipping)
    placed = await order_place(database, token, "pm_card_visa", "k", paid_by(stripe))
    assert placed["order"]["payments"][0]["authorized"]["amount"] == shown
    (intent,) = stripe.account.intents.values()
    assert (intent["amount"], intent["currency"]) == (written, currency.lower())


async def test_a_total_that_stripe_cannot_take_is_refused_before_anything_is_kept(
    database: Database, stripe: Standin
) -> None:
    shop = await make_stocked_shop(database, 5, currency="KWD")
    token = await make_ready_cart(database, shop, 1, shipping_minor=234)
    refused = await order_place(database, token, "pm_card_visa", "k", paid_by(stripe))
    (error,) = refused["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["payment", "provider"])
    assert stripe.requests == []
    assert await cart_status(database, token) == "ACTIVE"


@pytest.mark.parametrize(
    ("payment", "field"),
    [
        ({}, "token"),
        ({"token": "4242 4242 4242 4242"}, "token"),
        ({"token": "4242424242424242"}, "token"),
        ({"token": ""}, "token"),
        ({"token": "pm_\n"}, "token"),
        ({"token": "x" * 256}, "token"),
        ({"token": "pm_card_visa", "returnUrl": "/back"}, "returnUrl"),
        ({"token": "pm_card_visa", "returnUrl": "javascript:alert(1)"}, "returnUrl"),
        ({"token": "pm_card_visa", "method": "cash"}, "method"),
    ],
)
async def test_bad_means_are_refused_by_name_before_anything_is_kept(
    database: Database, stripe: Standin, payment: dict[str, str], field: str
) -> None:
    token = await make_ready_cart(database, await make_stocked_shop(database, 5), 1)
    variables = {
        "input": {
            "cartToken": token,
            "payment": {"provider": "stripe", "method": "card", **payment},
            "idempotencyKey": "k",
        }
    }
    answer = await data_of(database, PLACE, variables, ANONYMOUS, **paid_by(stripe))
    (error,) = answer["orderPlace"]["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["payment", field])
    assert stripe.requests == []
    async with database.read() as connection:
        assert (await connection.execute(KEPT)).all() == []
    assert await cart_status(database, token) == "ACTIVE"
