"""Delivery rates: which apply, and what a client is shown of them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.kernel.money import Money
from domain.shipping import DeliveryRate, offer, options

RATE_ID = UUID(int=1)


def rate(**band: object) -> DeliveryRate:
    return DeliveryRate(RATE_ID, "Post", "Parcel", 499, **band)  # type: ignore[arg-type]


@pytest.mark.parametrize(("weight_grams", "applies"), [(99, False), (100, True), (199, True), (200, False)])
def test_a_weight_band_takes_its_lower_end_and_not_its_upper(weight_grams: int, applies: bool) -> None:
    banded = rate(min_weight_grams=100, max_weight_grams=200)
    assert banded.applies("DE", weight_grams, 0) is applies


@pytest.mark.parametrize(("value_minor", "applies"), [(0, True), (4_999, True), (5_000, False)])
def test_a_value_band_takes_its_lower_end_and_not_its_upper(value_minor: int, applies: bool) -> None:
    assert rate(max_value_minor=5_000).applies("DE", 0, value_minor) is applies


def test_an_open_band_has_no_upper_end() -> None:
    assert rate(min_value_minor=5_000).applies("DE", 10**9, 10**15)


def test_an_unknown_country_takes_only_what_serves_everywhere() -> None:
    somewhere, everywhere = rate(countries=frozenset({"DE", "AT"})), rate()
    assert options([somewhere, everywhere], None, 0, 0) == [everywhere]
    assert options([somewhere, everywhere], "AT", 0, 0) == [somewhere, everywhere]
    assert options([somewhere, everywhere], "FR", 0, 0) == [everywhere]


def test_an_offer_names_its_days_from_now() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    shown = offer(rate(min_days=2), "JPY", now)
    assert shown.price == Money(499, "JPY")
    assert shown.earliest == now + timedelta(days=2)
    assert shown.latest is None
