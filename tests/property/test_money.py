"""Money: exact in, exact out, and nothing lost when it is divided."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidInput
from domain.kernel.money import MAX_AMOUNT_MINOR, Money, exponent_of

currencies = st.sampled_from(["JPY", "USD", "EUR", "KWD", "IQD", "CLF"])
amounts = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)


@given(amounts, currencies)
def test_an_amount_survives_the_way_through_its_decimal(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.from_decimal(money.amount, currency) == money
    assert -money.amount.as_tuple().exponent == exponent_of(currency)  # type: ignore[operator]


@given(amounts, st.lists(st.integers(0, 10_000), min_size=1, max_size=1000), currencies)
def test_parts_sum_to_the_whole_and_stay_within_a_unit_of_their_share(
    minor: int, weights: list[int], currency: str
) -> None:
    parts = Money(minor, currency).allocate(weights)
    assert sum(part.amount_minor for part in parts) == minor
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        share = minor * weight / total if total else minor / len(weights)
        assert abs(part.amount_minor - share) <= 1 + abs(share) * 1e-9


@pytest.mark.parametrize(
    ("currency", "exponent"), [("JPY", 0), ("USD", 2), ("KWD", 3), ("IQD", 3), ("CLF", 4)]
)
def test_decimals_follow_iso_4217(currency: str, exponent: int) -> None:
    assert exponent_of(currency) == exponent


@pytest.mark.parametrize("code", ["", "usd", "XXXX", "ZZZ", "US", "\0", "XAU"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(InvalidInput):
        exponent_of(code)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1.5", "JPY"),
        ("0.001", "USD"),
        ("0.0001", "KWD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
        ("1e20", "USD"),
    ],
)
def test_amounts_a_currency_cannot_carry_are_refused(amount: str, currency: str) -> None:
    with pytest.raises(InvalidInput):
        Money.from_decimal(Decimal(amount), currency)


def test_trailing_zeros_are_not_more_decimals() -> None:
    assert Money.from_decimal(Decimal("1.500000"), "USD") == Money(150, "USD")


def test_currencies_never_mix() -> None:
    with pytest.raises(ValueError, match="cannot mix"):
        Money(1, "USD") + Money(1, "EUR")


def test_no_weights_cannot_share() -> None:
    with pytest.raises(ValueError, match="weights"):
        Money(1, "USD").allocate([])
