"""What Stripe's webhooks tell, of a life that a stand-in leads: built and checked by Stripe's description."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import CallbackRefused, Outcome, ProviderEvent
from providers.payments.stripe import StripePayments
from tests.stripe_standin.account import Object
from tests.stripe_standin.description import Invalid
from tests.stripe_standin.paying import USD_100, card, new_key, provider
from tests.stripe_standin.server import Standin

AUTHORIZATION, CAPTURE = TransactionKind.AUTHORIZATION, TransactionKind.CAPTURE
REFUND, VOID, CHARGEBACK = TransactionKind.REFUND, TransactionKind.VOID, TransactionKind.CHARGEBACK


def read(stripe: Standin, event: Object, *, at: float | None = None) -> Sequence[ProviderEvent]:
    return provider(stripe).read_callback(*stripe.signed(event, at=at), datetime.now(UTC))


def told(stripe: Standin, kind: str) -> list[ProviderEvent]:
    """Return what every webhook of a kind tells, oldest first."""
    return [fact for event in stripe.named(kind) for fact in read(stripe, event)]


def facts(events: Sequence[ProviderEvent]) -> set[tuple[TransactionKind, Outcome, str, int, str | None]]:
    return {(one.kind, one.outcome, one.change_reference, one.amount.amount_minor, one.key) for one in events}


async def authorized(
    stripe: Standin, token: str = "pm_card_visa", amount: Money = USD_100
) -> tuple[str, str]:
    key = new_key()
    answer = await provider(stripe).authorize(key, card(token, amount))
    return key, answer.reference


async def test_an_authorization_is_told(stripe: Standin) -> None:
    key, reference = await authorized(stripe)
    (event,) = told(stripe, "payment_intent.amount_capturable_updated")
    assert (event.kind, event.outcome, event.key) == (AUTHORIZATION, Outcome.SUCCEEDED, key)
    assert (event.reference, event.change_reference, event.amount) == (reference, reference, USD_100)
    assert abs(event.occurred_at - datetime.now(UTC)) < timedelta(minutes=1)
    # And what is of no interest to us tells nothing.
    assert told(stripe, "payment_intent.created") == told(stripe, "charge.succeeded") == []


async def test_a_decline_is_told_with_its_reason(stripe: Standin) -> None:
    key, _ = await authorized(stripe, "pm_card_visa_chargeDeclinedInsufficientFunds")
    (event,) = told(stripe, "payment_intent.payment_failed")
    assert (event.kind, event.outcome, event.key) == (AUTHORIZATION, Outcome.DECLINED, key)
    assert event.decline_code == "insufficient_funds"


async def test_captures_are_told_as_they_were_answered_in_whatever_event(stripe: Standin) -> None:
    key, reference = await authorized(stripe)
    payments, keys = provider(stripe), [new_key(), new_key()]
    names = [(await payments.capture(one, reference, Money(5_000, "USD"))).reference for one in keys]
    first = (CAPTURE, Outcome.SUCCEEDED, names[0], 5_000, keys[0])
    second = (CAPTURE, Outcome.SUCCEEDED, names[1], 5_000, keys[1])
    approval = (AUTHORIZATION, Outcome.SUCCEEDED, reference, 10_000, key)
    assert facts(told(stripe, "payment_intent.amount_capturable_updated")) == {approval, first}
    assert facts(told(stripe, "payment_intent.succeeded")) == {first, second}
    assert facts(told(stripe, "charge.updated")) == {first, second}
    # Which of several captures it was, this one does not say.
    assert told(stripe, "charge.captured") == []
    events = [fact for event in stripe.events for fact in read(stripe, event)]
    assert len({event.id for event in events}) == len(events)


async def test_the_only_capture_of_a_charge_is_told_by_the_charge_too(stripe: Standin) -> None:
    stripe.account.multicapture = False
    _, reference = await authorized(stripe)
    key = new_key()
    name = (await provider(stripe).capture(key, reference, USD_100)).reference
    expected = {(CAPTURE, Outcome.SUCCEEDED, name, 10_000, key)}
    assert facts(told(stripe, "charge.captured")) == expected
    assert facts(told(stripe, "payment_intent.succeeded")) == expected


async def test_what_was_captured_in_stripes_own_pages_is_told_too(stripe: Standin) -> None:
    _, reference = await authorized(stripe)
    stripe.account.capture(reference, {})
    charge = stripe.account.get(reference)["latest_charge"]
    expected = {(CAPTURE, Outcome.SUCCEEDED, charge, 10_000, None)}
    assert facts(told(stripe, "payment_intent.succeeded")) == expected
    now = datetime.now(UTC)
    report = await provider(stripe).report(now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert [(line.change_reference, line.amount) for line in report] == [(charge, USD_100)]


async def test_what_is_given_up_with_the_last_capture_is_told(stripe: Standin) -> None:
    _, reference = await authorized(stripe)
    payments, key = provider(stripe), new_key()
    name = (await payments.capture(key, reference, Money(4_000, "USD"))).reference
    await payments.void(new_key(), reference)
    assert facts(told(stripe, "payment_intent.succeeded")) == {
        (CAPTURE, Outcome.SUCCEEDED, name, 4_000, key),
        (VOID, Outcome.SUCCEEDED, reference, 6_000, None),
    }
    # Nothing more was captured, so nothing more is told of that.
    assert facts(told(stripe, "charge.updated")) == {(CAPTURE, Outcome.SUCCEEDED, name, 4_000, key)}


async def test_a_void_is_told_by_whomever_it_was_made(stripe: Standin) -> None:
    _, reference = await authorized(stripe)
    stripe.account.cancel(reference, {"cancellation_reason": "abandoned"})
    assert facts(told(stripe, "payment_intent.canceled")) == {
        (VOID, Outcome.SUCCEEDED, reference, 10_000, None)
    }


async def test_a_refund_is_told_and_so_is_that_it_failed_after_all(stripe: Standin) -> None:
    _, reference = await authorized(stripe, "pm_card_refundFail")
    payments, key = provider(stripe), new_key()
    await payments.capture(new_key(), reference, USD_100)
    name = (await payments.refund(key, reference, Money(2_500, "USD"))).reference
    assert facts(told(stripe, "refund.created")) == {(REFUND, Outcome.SUCCEEDED, name, 2_500, key)}
    stripe.account.settle_refund(name, failed=True)
    (failed,) = told(stripe, "refund.failed")
    assert facts([failed]) == {(REFUND, Outcome.DECLINED, name, 2_500, key)}
    assert (failed.reference, failed.decline_code) == (reference, "expired_or_canceled_card")


async def test_a_pending_refund_is_told_once_it_is_settled(stripe: Standin) -> None:
    _, reference = await authorized(stripe, "pm_card_pendingRefund")
    await provider(stripe).capture(new_key(), reference, USD_100)
    refund = stripe.account.refund({"payment_intent": reference, "amount": 100})
    assert told(stripe, "refund.created") == []
    stripe.account.settle_refund(refund["id"], failed=False)
    assert facts(told(stripe, "refund.updated")) == {(REFUND, Outcome.SUCCEEDED, refund["id"], 100, None)}


async def test_a_dispute_takes_the_money_and_gives_it_back_when_won(stripe: Standin) -> None:
    _, reference = await authorized(stripe, "pm_card_createDispute")
    await provider(stripe).capture(new_key(), reference, USD_100)
    (name,) = stripe.account.disputes
    assert facts(told(stripe, "charge.dispute.created")) == {
        (CHARGEBACK, Outcome.SUCCEEDED, name, 10_000, None)
    }
    stripe.account.close_dispute(name, won=True)
    assert facts(told(stripe, "charge.dispute.closed")) == {
        (CHARGEBACK, Outcome.DECLINED, name, 10_000, None)
    }


async def test_an_inquiry_takes_no_money(stripe: Standin) -> None:
    _, reference = await authorized(stripe)
    await provider(stripe).capture(new_key(), reference, USD_100)
    stripe.account.dispute(reference)
    (event,) = stripe.named("charge.dispute.created")
    event["data"]["object"]["status"] = "warning_needs_response"
    assert read(stripe, event) == []


async def test_payments_that_are_not_ours_tell_nothing(stripe: Standin) -> None:
    stripe.account.create(
        {
            "amount": 100,
            "currency": "usd",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "return_url": "https://shop.example",
        }
    )
    (reference,) = stripe.account.intents
    stripe.account.capture(reference, {})
    assert [fact for event in stripe.events for fact in read(stripe, event)] == []


@pytest.mark.parametrize(
    ("amount", "currency"), [(1_234, "JPY"), (1_230, "KWD"), (12, "ISK")], ids=["JPY", "KWD", "ISK"]
)
async def test_amounts_are_told_in_our_units(stripe: Standin, amount: int, currency: str) -> None:
    money = Money(amount, currency)
    _, reference = await authorized(stripe, amount=money)
    payments = provider(stripe)
    await payments.capture(new_key(), reference, money)
    await payments.refund(new_key(), reference, money)
    everything = [fact for event in stripe.events for fact in read(stripe, event)]
    assert {fact.kind for fact in everything} == {AUTHORIZATION, CAPTURE, REFUND}
    assert {fact.amount for fact in everything} == {money}


async def test_a_webhook_replayed_with_an_old_time_is_refused(stripe: Standin) -> None:
    await authorized(stripe)
    (event,) = stripe.named("payment_intent.amount_capturable_updated")
    assert read(stripe, event, at=time.time() - 295)
    with pytest.raises(CallbackRefused):
        read(stripe, event, at=time.time() - 301)


async def test_a_webhook_that_somebody_else_signed_or_changed_is_refused(stripe: Standin) -> None:
    await authorized(stripe)
    (event,) = stripe.named("payment_intent.amount_capturable_updated")
    payments, now = provider(stripe), datetime.now(UTC)
    headers, body = stripe.signed(event)
    assert payments.read_callback(headers, body, now)
    forged, _ = stripe.signed(event, secret="whsec_somebody_elses")
    old_time_in_new_clothes = {
        "stripe-signature": headers["stripe-signature"].replace("t=", "t=1", 1),
    }
    for wrong_headers, wrong_body in (
        (forged, body),
        (old_time_in_new_clothes, body),
        (headers, body.replace(b"10000", b"90000")),
        (headers, b"\xff\xfe"),
        ({}, body),
        ({"stripe-signature": "nonsense"}, body),
    ):
        with pytest.raises(CallbackRefused):
            payments.read_callback(wrong_headers, wrong_body, now)
    deaf = StripePayments(stripe.secret_key, api_base=stripe.url)
    with pytest.raises(CallbackRefused):
        deaf.read_callback(headers, body, now)


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"object":"event","id":"e","type":"payment_intent.succeeded","data":{"object":[]}}',
        b'{"id":"e","created":1,"type":"refund.created","data":{"object":{"id":"re_1","currency":"usd"}}}',
    ],
)
async def test_what_is_signed_and_cannot_be_read_is_an_error_of_the_value(
    stripe: Standin, body: bytes
) -> None:
    headers, _ = stripe.signed({})
    signed = stripe.signature(body)
    with pytest.raises(ValueError):  # noqa: PT011 - whichever way it cannot be read
        provider(stripe).read_callback({**headers, "stripe-signature": signed}, body, datetime.now(UTC))


def test_the_stand_in_says_nothing_that_stripe_does_not_describe(stripe: Standin) -> None:
    intent = {"object": "payment_intent", "made_up": True}
    with pytest.raises(Invalid):
        stripe.description.check_object("payment_intent", intent)
    with pytest.raises(Invalid):
        stripe.description.read_request(("post", "/v1/refunds"), [("payment_intnet", "pi_1")])
    assert orjson.loads(stripe.signed({"id": "evt_1"})[1]) == {"id": "evt_1"}


async def test_the_stand_in_notes_who_asks_for_what_stripe_does_not_know(stripe: Standin) -> None:
    headers = {"authorization": f"Bearer {stripe.secret_key}", "stripe-version": "2019-01-01"}
    async with httpx.AsyncClient(base_url=stripe.url, headers=headers) as client:
        answer = await client.post("/v1/refunds", data={"payment_intnet": "pi_1"})
        await client.get("/v1/refunds")
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert [("payment_intnet" in one, "2019-01-01" in one) for one in stripe.violations] == [
        (True, False),
        (False, True),
    ]
    stripe.violations.clear()
