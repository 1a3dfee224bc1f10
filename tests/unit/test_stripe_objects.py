"""Stripe's units and names, and what storefronts may hand in to pay with."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.payment_means import PaymentMeans, means_in
from providers.payments.stripe_objects import (
    capture_mark,
    captured_elsewhere,
    captures_of,
    from_stripe,
    moment_of,
    to_stripe,
)


@given(st.integers(0, 10**12), st.sampled_from(["JPY", "USD", "EUR", "HUF", "KRW", "XAF"]))
def test_most_currencies_are_written_as_iso_4217_has_them(minor: int, currency: str) -> None:
    assert to_stripe(Money(minor, currency)) == minor
    assert from_stripe(minor, currency.lower()) == Money(minor, currency)


@given(st.integers(0, 10**12), st.sampled_from(["KWD", "BHD", "ISK", "UGX", "MGA"]))
def test_an_amount_is_refused_or_comes_back_as_it_was(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    try:
        written = to_stripe(money)
    except ValueError:
        assert minor % 100
    else:
        assert from_stripe(written, currency) == money


@pytest.mark.parametrize(
    ("money", "written"),
    [
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(1_000, "MGA"), 10),
        (Money(1_230, "KWD"), 1_230),
        (Money(1_234, "KWD"), None),
        (Money(1_001, "MGA"), None),
    ],
)
def test_the_special_currencies_are_written_as_stripe_says(money: Money, written: int | None) -> None:
    if written is None:
        with pytest.raises(ValueError, match=money.currency):
            to_stripe(money)
    else:
        assert to_stripe(money) == written


def test_crowns_with_hundredths_are_no_amount_of_ours() -> None:
    with pytest.raises(ValueError, match="ISK"):
        from_stripe(550, "isk")


@given(st.lists(st.integers(1, 10_000), max_size=8), st.integers(0, 500))
def test_captures_are_read_from_the_metadata_and_the_rest_is_elsewhere(ours: list[int], rest: int) -> None:
    marks = {}
    for amount in ours:
        marks.update(capture_mark(f"ordertide-{new_id().hex}", Money(amount, "USD")))
    assert all(len(name) <= 40 for name in marks)
    metadata = {**marks, "ordertide_key": "k", "capture_of": "somebody else's 5"}
    intent = {"id": "pi_1", "currency": "usd", "metadata": metadata, "amount_received": sum(ours) + rest}
    assert [one.amount.amount_minor for one in captures_of(intent)] == ours
    assert len({one.reference for one in captures_of(intent)}) == len(ours)
    assert captured_elsewhere(intent) == rest


def test_a_key_tells_when_its_row_was_made() -> None:
    made = moment_of(f"ordertide-{new_id().hex}")
    assert made is not None
    assert abs(made - datetime.now(UTC)) < timedelta(seconds=5)
    assert moment_of("somebody-elses") is moment_of(f"ordertide-{'0' * 32}") is None


@pytest.mark.parametrize(
    "number", ["4242424242424242", " 4242 4242 4242 4242", "3782-822463-10005", "5555.5555.5555.4444"]
)
def test_a_card_number_is_refused_however_it_is_written(number: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        means_in(number, None)
    assert number.strip() not in str(refused.value)


def test_an_app_may_be_come_back_to_and_nothing_of_it_is_shown() -> None:
    means = means_in("pm_1PX", "shop-app://checkout/done")
    assert PaymentMeans.from_json(means.to_json()) == means
    assert "pm_1PX" not in repr(means)
    assert means_in(None, None).to_json() == {}
