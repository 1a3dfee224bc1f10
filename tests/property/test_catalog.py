"""Prices are exact in every currency, and anything that is not is refused by name."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import PriceDraft, check_price
from domain.channels import Channel
from domain.kernel.errors import InvalidInput
from domain.kernel.money import MAX_AMOUNT_MINOR, Amount

EXPONENTS = {"JPY": 0, "USD": 2, "KWD": 3, "CLF": 4}
CURRENCIES = st.sampled_from(sorted(EXPONENTS))
VARIANT = UUID(int=1)


def price_of(amount: Decimal, currency: str) -> int:
    channel = Channel(UUID(int=2), "web", "Web", currency)
    draft = PriceDraft("web", Amount(amount, currency))
    return check_price(draft, {"web": channel}, VARIANT).money.amount_minor


@given(CURRENCIES, st.integers(0, MAX_AMOUNT_MINOR))
def test_an_amount_with_the_currencys_decimals_is_kept_exactly(currency: str, minor: int) -> None:
    amount = Decimal(minor).scaleb(-EXPONENTS[currency])
    assert price_of(amount, currency) == minor
    assert price_of(Decimal(f"{amount:f}"), currency) == minor


@given(CURRENCIES, st.integers(0, 10**12), st.integers(1, 9))
def test_one_decimal_more_is_refused(currency: str, minor: int, digit: int) -> None:
    amount = Decimal(minor * 10 + digit).scaleb(-EXPONENTS[currency] - 1)
    with pytest.raises(InvalidInput) as refusal:
        price_of(amount, currency)
    assert refusal.value.path == ("price", "amount")


@given(CURRENCIES, st.decimals(allow_nan=True, allow_infinity=True))
def test_any_other_amount_is_exact_or_refused(currency: str, amount: Decimal) -> None:
    exponent = EXPONENTS[currency]
    exact = amount.is_finite() and 0 <= amount <= Decimal(MAX_AMOUNT_MINOR).scaleb(-exponent)
    if exact and amount == round(amount, exponent):
        assert Decimal(price_of(amount, currency)).scaleb(-exponent) == amount
    else:
        with pytest.raises(InvalidInput):
            price_of(amount, currency)
