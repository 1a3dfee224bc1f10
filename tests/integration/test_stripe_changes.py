"""Captures, refunds and voids at Stripe, and its report, over HTTP to a stand-in that checks each."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import (
    Outcome,
    ProviderTimeout,
)
from tests.stripe_standin.paying import USD_100, authorized, card, new_key, provider
from tests.stripe_standin.server import Fault, Standin


async def test_parts_are_captured_while_the_rest_stays_reserved(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    keys = [new_key() for _ in range(3)]
    answers = [
        await payments.capture(key, reference, Money(amount, "USD"))
        for key, amount in zip(keys, (3_000, 5_000, 2_000), strict=True)
    ]
    assert [answer.amount_minor for answer in answers] == [3_000, 5_000, 2_000]
    assert len({answer.reference for answer in answers}) == 3
    intent = stripe.account.get(reference)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 10_000)
    for key, answer in zip(keys, answers, strict=True):
        assert await payments.find_change(key, reference) == answer
        assert await payments.capture(key, reference, Money(answer.amount_minor, "USD")) == answer
    assert intent["amount_received"] == 10_000
    assert await payments.find_change(new_key(), reference) is None
    too_much = await payments.capture(new_key(), reference, Money(1, "USD"))
    assert too_much.outcome is Outcome.DECLINED


async def test_a_part_is_not_captured_where_the_rest_would_be_lost(stripe: Standin) -> None:
    stripe.account.multicapture = False
    payments, reference = await authorized(stripe)
    part = await payments.capture(new_key(), reference, Money(9_999, "USD"))
    assert (part.outcome, part.decline_code) == (Outcome.DECLINED, "partial_capture_unavailable")
    whole = await payments.capture(new_key(), reference, USD_100)
    assert (whole.outcome, whole.amount_minor) == (Outcome.SUCCEEDED, 10_000)


async def test_nothing_is_captured_in_another_currency(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    answer = await payments.capture(new_key(), reference, Money(100, "EUR"))
    assert (answer.outcome, answer.decline_code) == (Outcome.DECLINED, "currency_mismatch")
    assert stripe.account.get(reference)["amount_received"] == 0


async def test_refunds_in_parts_are_no_more_than_was_captured(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    too_early = await payments.refund(new_key(), reference, Money(1, "USD"))
    assert too_early.outcome is Outcome.DECLINED
    await payments.capture(new_key(), reference, Money(8_000, "USD"))
    keys = [new_key(), new_key()]
    first = await payments.refund(keys[0], reference, Money(3_000, "USD"))
    assert (first.outcome, first.amount_minor, first.currency) == (Outcome.SUCCEEDED, 3_000, "USD")
    assert await payments.refund(keys[0], reference, Money(3_000, "USD")) == first
    assert (await payments.refund(new_key(), reference, Money(5_001, "USD"))).outcome is Outcome.DECLINED
    second = await payments.refund(keys[1], reference, Money(5_000, "USD"))
    assert [await payments.find_change(key, reference) for key in keys] == [first, second]
    assert sum(one["amount"] for one in stripe.account.refunds.values()) == 8_000
    again = await payments.refund(new_key(), reference, Money(1, "USD"))
    assert again.decline_code == "charge_already_refunded"


async def test_eight_refunds_of_the_whole_at_once_are_one(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, USD_100)
    answers = await asyncio.gather(*(payments.refund(new_key(), reference, USD_100) for _ in range(8)))
    assert sorted(answer.outcome for answer in answers) == ["DECLINED"] * 7 + ["SUCCEEDED"]


async def test_a_pending_refund_is_found_out_later(stripe: Standin) -> None:
    payments, reference = await authorized(stripe, card("pm_card_pendingRefund"))
    await payments.capture(new_key(), reference, USD_100)
    key = new_key()
    with pytest.raises(ProviderTimeout):
        await payments.refund(key, reference, USD_100)
    with pytest.raises(ProviderTimeout):
        await payments.find_change(key, reference)
    (name,) = stripe.account.refunds
    stripe.account.settle_refund(name, failed=False)
    found = await payments.find_change(key, reference)
    assert found is not None
    assert (found.outcome, found.reference) == (Outcome.SUCCEEDED, name)


async def test_a_void_gives_up_what_is_reserved_and_can_be_sent_again(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    key = new_key()
    for one in (key, key, new_key()):
        assert (await payments.void(one, reference)).outcome is Outcome.SUCCEEDED
    assert stripe.account.get(reference)["status"] == "canceled"
    assert (await payments.capture(new_key(), reference, USD_100)).outcome is Outcome.DECLINED


async def test_a_void_gives_up_the_rest_of_what_was_captured_in_part(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, Money(4_000, "USD"))
    for _ in range(2):
        given_up = await payments.void(new_key(), reference)
        assert (given_up.outcome, given_up.amount_minor) == (Outcome.SUCCEEDED, 6_000)
    intent = stripe.account.get(reference)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 4_000)
    assert (await payments.capture(new_key(), reference, Money(1, "USD"))).outcome is Outcome.DECLINED
    assert (await payments.refund(new_key(), reference, Money(4_000, "USD"))).outcome is Outcome.SUCCEEDED


async def test_what_is_captured_cannot_be_voided(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    await payments.capture(new_key(), reference, USD_100)
    answer = await payments.void(new_key(), reference)
    assert (answer.outcome, answer.decline_code) == (Outcome.DECLINED, "payment_intent_unexpected_state")
    assert (await payments.void(new_key(), "")).outcome is Outcome.DECLINED
    assert (await payments.void(new_key(), "pi_made_up")).decline_code == "resource_missing"


@pytest.mark.parametrize("fault", ["hang", "error"])
async def test_a_capture_and_a_refund_without_an_answer_are_found_again(
    stripe: Standin, fault: Fault
) -> None:
    _, reference = await authorized(stripe)
    payments, capture, refund = provider(stripe, time_limit_seconds=0.5), new_key(), new_key()
    stripe.fail(fault, "post .*/capture")
    with pytest.raises(ProviderTimeout):
        await payments.capture(capture, reference, Money(4_000, "USD"))
    captured = await payments.find_change(capture, reference)
    assert captured is not None
    assert (captured.outcome, captured.amount_minor) == (Outcome.SUCCEEDED, 4_000)
    stripe.fail(fault, "post /v1/refunds")
    with pytest.raises(ProviderTimeout):
        await payments.refund(refund, reference, Money(1_000, "USD"))
    refunded = await payments.find_change(refund, reference)
    assert refunded is not None
    assert (refunded.outcome, refunded.amount_minor) == (Outcome.SUCCEEDED, 1_000)
    intent = stripe.account.get(reference)
    assert (intent["amount_received"], len(stripe.account.refunds)) == (4_000, 1)


async def test_the_report_has_every_movement_as_we_know_it(stripe: Standin) -> None:
    payments, reference = await authorized(stripe)
    captures, refund = [new_key(), new_key()], new_key()
    names = [(await payments.capture(key, reference, Money(5_000, "USD"))).reference for key in captures]
    refunded = await payments.refund(refund, reference, Money(1_000, "USD"))
    dispute = stripe.account.dispute(reference, 2_000)
    now = datetime.now(UTC)
    found = await payments.report(now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert {
        (one.kind, one.reference, one.change_reference, one.amount.amount_minor, one.key) for one in found
    } == {
        (TransactionKind.CAPTURE, reference, names[0], 5_000, captures[0]),
        (TransactionKind.CAPTURE, reference, names[1], 5_000, captures[1]),
        (TransactionKind.REFUND, reference, refunded.reference, 1_000, refund),
        (TransactionKind.CHARGEBACK, reference, dispute["id"], 2_000, None),
    }
    assert await payments.report(now - timedelta(days=2), now - timedelta(days=1)) == []
    # What gave the money back in the end is not told.
    stripe.account.close_dispute(dispute["id"], won=True)
    stripe.account.settle_refund(refunded.reference, failed=True)
    found = await payments.report(now - timedelta(minutes=1), now + timedelta(minutes=1))
    assert [one.kind for one in found] == [TransactionKind.CAPTURE] * 2
