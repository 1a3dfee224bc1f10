"""What Stripe has on record of a payment, over HTTP to a stand-in that checks each request."""

import pytest

from domain.kernel.money import Money
from domain.ports import DisputeState, PaymentRecord, ProviderTimeout, RecordKeeper
from tests.stripe_standin.paying import authorized, card, new_key, provider
from tests.stripe_standin.server import Fault, Standin


async def test_the_record_follows_what_is_captured_and_refunded_whoever_did_it(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    assert isinstance(payments, RecordKeeper)
    assert await payments.record_of(reference) == PaymentRecord("USD", 0, 0)
    await payments.capture(new_key(), reference, Money(3_000, "USD"))
    await payments.capture(new_key(), reference, Money(5_000, "USD"))
    await payments.refund(new_key(), reference, Money(1_000, "USD"))
    # In Stripe's own dashboard: nobody has told us.
    stripe.account.refund({"payment_intent": reference, "amount": 500})
    assert await payments.record_of(reference) == PaymentRecord("USD", 8_000, 1_500)
    assert not any(asked.operation == ("get", "/v1/disputes") for asked in stripe.requests)


async def test_amounts_are_in_our_own_minor_units(stripe: Standin) -> None:
    payments, reference = await authorized(stripe, card(amount=Money(12_340, "KWD")))
    await payments.capture(new_key(), reference, Money(12_340, "KWD"))
    assert await payments.record_of(reference) == PaymentRecord("KWD", 12_340, 0)


async def test_a_dispute_is_open_until_the_bank_has_decided(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, Money(10_000, "USD"))
    first = stripe.account.dispute(reference, 2_500)
    assert await payments.record_of(reference) == PaymentRecord("USD", 10_000, 0, 2_500, DisputeState.OPEN)
    stripe.account.close_dispute(first["id"], won=True)
    assert await payments.record_of(reference) == PaymentRecord("USD", 10_000, 0, 2_500, DisputeState.WON)
    second = stripe.account.dispute(reference, 1_000)
    stripe.account.close_dispute(second["id"], won=False)
    # The worst of several, and all they were of.
    assert await payments.record_of(reference) == PaymentRecord("USD", 10_000, 0, 3_500, DisputeState.LOST)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("warning_needs_response", DisputeState.OPEN),
        ("under_review", DisputeState.OPEN),
        ("warning_closed", DisputeState.NONE),
    ],
)
async def test_an_inquiry_is_open_until_it_is_closed(
    stripe: Standin, status: str, state: DisputeState
) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, Money(10_000, "USD"))
    stripe.account.dispute(reference)["status"] = status
    record = await payments.record_of(reference)
    assert record is not None
    assert (record.dispute, record.disputed_minor) == (state, 0 if state is DisputeState.NONE else 10_000)


async def test_a_charge_that_is_disputed_by_a_dispute_nobody_lists_is_open(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, Money(10_000, "USD"))
    stripe.account.dispute(reference)
    stripe.account.disputes.clear()
    assert await payments.record_of(reference) == PaymentRecord("USD", 10_000, 0, 10_000, DisputeState.OPEN)


async def test_of_a_payment_it_does_not_know_there_is_no_record(stripe: Standin) -> None:
    assert await provider(stripe).record_of("pi_unknown") is None


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("lost", "get /v1/payment_intents/.*"),
        ("limited", "get /v1/payment_intents/.*"),
        ("error", "get /v1/disputes"),
    ],
)
async def test_without_an_answer_nothing_is_said_of_the_record(
    stripe: Standin, fault: Fault, what: str
) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, Money(10_000, "USD"))
    stripe.account.dispute(reference)
    stripe.fail(fault, what)
    with pytest.raises(ProviderTimeout):
        await payments.record_of(reference)
