"""Payments through Stripe, over HTTP to a stand-in that holds everything against Stripe's description."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.ports import (
    CallbackReader,
    Outcome,
    PaymentProvider,
    PaymentRequest,
    ProviderTimeout,
    ReportSource,
)
from providers.payments.stripe import API_VERSION, StripePayments
from tests.stripe_standin.paying import USD_100, card, new_key, provider
from tests.stripe_standin.server import Fault, Standin

RETURN_URL = "https://shop.example/return"


def test_the_tests_have_the_description_of_the_version_that_is_spoken(stripe: Standin) -> None:
    assert stripe.description.version == API_VERSION


async def test_it_is_what_the_ports_ask_for(stripe: Standin) -> None:
    payments: PaymentProvider = provider(stripe)
    assert isinstance(payments, CallbackReader)
    assert isinstance(payments, ReportSource)
    assert payments.methods == {"card"}


async def test_a_card_is_authorized_with_what_stripe_knows_of_it(stripe: Standin) -> None:
    before = datetime.now(UTC)
    answer = await provider(stripe).authorize(new_key(), card("pm_card_gb"))
    assert (answer.outcome, answer.amount_minor, answer.currency) == (Outcome.SUCCEEDED, 10_000, "USD")
    assert (answer.risk_score, answer.payer_country, answer.needs_review) == (12, "GB", False)
    assert answer.expires_at is not None
    assert timedelta(days=6.9) < answer.expires_at - before < timedelta(days=7.1)
    intent = stripe.account.get(answer.reference)
    assert (intent["status"], intent["amount_received"]) == ("requires_capture", 0)


async def test_what_stripe_wants_looked_at_is_to_be_reviewed(stripe: Standin) -> None:
    answer = await provider(stripe).authorize(new_key(), card("pm_card_riskLevelElevated"))
    assert (answer.outcome, answer.needs_review, answer.risk_score) == (Outcome.SUCCEEDED, True, 70)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_made_up", "resource_missing"),
    ],
)
async def test_a_declined_card_says_why(stripe: Standin, token: str, code: str) -> None:
    answer = await provider(stripe).authorize(new_key(), card(token))
    assert (answer.outcome, answer.decline_code) == (Outcome.DECLINED, code)


async def test_the_same_key_makes_one_payment_intent(stripe: Standin) -> None:
    key, payments = new_key(), provider(stripe)
    answers = [await payments.authorize(key, card()) for _ in range(3)]
    assert len({answer.reference for answer in answers}) == len(stripe.account.intents) == 1
    # Somebody else's request under our key is not ours to believe: it has to be found out.
    with pytest.raises(ProviderTimeout):
        await payments.authorize(key, card(amount=Money(1, "USD")))


async def test_a_shopper_sent_to_their_bank_comes_back_authorized(stripe: Standin) -> None:
    key, payments = new_key(), provider(stripe)
    request = card("pm_card_threeDSecure2Required", return_url=RETURN_URL)
    answer = await payments.authorize(key, request)
    assert answer.outcome is Outcome.ACTION_REQUIRED
    assert answer.action is not None
    assert answer.action["type"] == "redirect_to_url"
    async with httpx.AsyncClient() as browser:
        page = await browser.get(answer.action["url"])
        assert "pass" in page.text
        sent_back = await browser.post(answer.action["url"], data={"outcome": "pass"})
    assert sent_back.headers["location"].startswith(f"{RETURN_URL}?payment_intent={answer.reference}")
    found = await payments.find(key)
    assert found is not None
    assert (found.outcome, found.amount_minor) == (Outcome.SUCCEEDED, 10_000)
    # What Stripe keeps under the key is the answer of then; ours is that of now.
    assert (await payments.authorize(key, request)).outcome is Outcome.SUCCEEDED


async def test_a_storefront_with_stripes_script_confirms_by_the_secret_alone(stripe: Standin) -> None:
    key, payments = new_key(), provider(stripe)
    answer = await payments.authorize(key, card("pm_card_authenticationRequired"))
    assert answer.action is not None
    secret = answer.action["client_secret"]
    assert answer.action == {"type": "use_stripe_sdk", "client_secret": secret}
    async with httpx.AsyncClient(
        base_url=stripe.url, headers={"authorization": f"Bearer {stripe.publishable_key}"}
    ) as script:
        path = f"/v1/payment_intents/{answer.reference}"
        seen = await script.get(path, params={"client_secret": secret})
        assert seen.json()["status"] == "requires_action"
        assert (await script.get(path, params={"client_secret": "guessed"})).status_code == 401
        await script.post(f"/authenticate/{answer.reference}", data={"outcome": "pass"})
    found = await provider(stripe).find(key)
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED


async def test_who_fails_at_their_bank_is_declined_and_cannot_confirm_any_more(stripe: Standin) -> None:
    key, payments = new_key(), provider(stripe)
    answer = await payments.authorize(key, card("pm_card_threeDSecure2Required"))
    assert answer.action is not None
    stripe.account.authenticate(answer.reference, passed=False)
    found = await payments.find(key)
    assert found is not None
    assert found.outcome is Outcome.DECLINED
    assert found.decline_code == "payment_intent_authentication_failure"
    async with httpx.AsyncClient(
        base_url=stripe.url, headers={"authorization": f"Bearer {stripe.publishable_key}"}
    ) as script:
        again = await script.post(
            f"/v1/payment_intents/{answer.reference}/confirm",
            data={"client_secret": answer.action["client_secret"], "payment_method": "pm_card_visa"},
        )
    assert again.json()["error"]["code"] == "payment_intent_unexpected_state"
    # And it stays declined, for the same reason.
    again_found = await payments.find(key)
    assert again_found is not None
    assert again_found.decline_code == "payment_intent_authentication_failure"


@pytest.mark.parametrize("fault", ["hang", "error"])
async def test_a_charge_whose_answer_never_came_is_found_again(stripe: Standin, fault: Fault) -> None:
    key, payments = new_key(), provider(stripe, time_limit_seconds=0.5)
    stripe.fail(fault, "post /v1/payment_intents")
    with pytest.raises(ProviderTimeout):
        await payments.authorize(key, card())
    found = await provider(stripe).find(key)
    assert found is not None
    assert (found.outcome, found.amount_minor) == (Outcome.SUCCEEDED, 10_000)
    assert len(stripe.account.intents) == 1


@pytest.mark.parametrize("fault", ["lost", "limited", "busy"])
async def test_what_never_arrived_is_not_found_and_can_be_sent_again(stripe: Standin, fault: Fault) -> None:
    key, payments = new_key(), provider(stripe)
    stripe.fail(fault, "post /v1/payment_intents")
    with pytest.raises(ProviderTimeout):
        await payments.authorize(key, card())
    assert await payments.find(key) is None
    assert (await payments.authorize(key, card())).outcome is Outcome.SUCCEEDED
    assert len(stripe.account.intents) == 1


async def test_a_payment_is_found_among_many_and_by_search_only_far_back(stripe: Standin) -> None:
    old, new, payments = new_key(), new_key(), provider(stripe)
    await payments.authorize(old, card())
    for _ in range(1_001):
        stripe.account.create({"amount": 100, "currency": "usd", "capture_method": "manual"})
    await payments.authorize(new, card())
    stripe.requests.clear()
    assert await provider(stripe).find(new) is not None
    assert [asked.operation[1] for asked in stripe.requests] == [
        "/v1/payment_intents",
        "/v1/payment_intents/{intent}",
    ]
    stripe.requests.clear()
    assert await provider(stripe).find(old) is not None
    searches = [asked for asked in stripe.requests if asked.operation[1].endswith("search")]
    assert (len(searches), len(stripe.requests)) == (1, 12)
    stripe.requests.clear()
    assert await payments.find(old) is not None
    assert len(stripe.requests) == 1


async def test_a_key_that_stripe_does_not_take_leaves_everything_open(stripe: Standin) -> None:
    payments = StripePayments("sk_test_wrong", api_base=stripe.url)
    for asked in (payments.authorize(new_key(), card()), payments.find(new_key())):
        with pytest.raises(ProviderTimeout):
            await asked


async def test_a_stripe_that_is_away_is_an_answer_that_never_came() -> None:
    payments = StripePayments("sk_test_standin", api_base="http://127.0.0.1:1")
    for asked in (
        payments.authorize(new_key(), card()),
        payments.find(new_key()),
        payments.capture(new_key(), "pi_1", USD_100),
        payments.find_change(new_key(), "pi_1"),
        payments.refund(new_key(), "pi_1", USD_100),
        payments.void(new_key(), "pi_1"),
        payments.report(datetime.now(UTC), datetime.now(UTC)),
    ):
        with pytest.raises(ProviderTimeout):
            await asked


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Money(1_234, "JPY"), 1_234),
        (Money(1_234, "USD"), 1_234),
        (Money(1_230, "KWD"), 1_230),
        (Money(12, "ISK"), 1_200),
    ],
)
async def test_each_currency_is_written_as_stripe_writes_it(
    stripe: Standin, amount: Money, written: int
) -> None:
    payments = provider(stripe)
    answer = await payments.authorize(new_key(), card(amount=amount))
    assert (answer.amount_minor, answer.currency) == (amount.amount_minor, amount.currency)
    assert stripe.account.get(answer.reference)["amount"] == written
    captured = await payments.capture(new_key(), answer.reference, amount)
    refunded = await payments.refund(new_key(), answer.reference, amount)
    assert captured.amount_minor == refunded.amount_minor == amount.amount_minor
    assert [one["amount"] for one in stripe.account.refunds.values()] == [written]


async def test_what_stripe_cannot_be_asked_for_is_refused_before(stripe: Standin) -> None:
    payments = provider(stripe)
    payments.check(card())
    for request, field in (
        (PaymentRequest("card", USD_100), "token"),
        (card(amount=Money(1_234, "KWD")), "provider"),
    ):
        with pytest.raises(InvalidInput) as refused:
            payments.check(request)
        assert refused.value.path == ("payment", field)
    without = await payments.authorize(new_key(), PaymentRequest("card", USD_100))
    assert without.decline_code == "payment_method_missing"
    answer = await payments.authorize(new_key(), card(amount=Money(1_234, "KWD")))
    assert answer.decline_code == "amount_not_supported"
    assert stripe.requests == []
