"""Delivery rates: which apply, and what a client is shown of them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.kernel.money import Money
from domain.shipping import DeliveryRate, offer, rate_of_facts

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
    for country, served in ((None, False), ("AT", True), ("FR", False)):
        assert somewhere.applies(country, 0, 0) is served
        assert everywhere.applies(country, 0, 0)


@pytest.mark.parametrize(
    ("volume_ml", "applies"), [(999, False), (1_000, True), (1_999, True), (2_000, False)]
)
def test_a_volume_band_takes_its_lower_end_and_not_its_upper(volume_ml: int, applies: bool) -> None:
    assert rate(min_volume_ml=1_000, max_volume_ml=2_000).applies("DE", 0, 0, volume_ml) is applies


@pytest.mark.parametrize(
    ("grams", "price"), [(0, 499), (2_000, 499), (2_001, 599), (3_000, 599), (3_001, 699), (10_000, 1299)]
)
def test_each_kilogram_begun_above_the_included_weight_costs_more(grams: int, price: int) -> None:
    assert rate(included_weight_grams=2_000, per_kilogram_minor=100).price_for(grams, None) == price


@pytest.mark.parametrize(("goods_minor", "price"), [(4_999, 499), (5_000, 0), (None, 499)])
def test_a_rate_is_free_from_what_the_goods_cost(goods_minor: int | None, price: int) -> None:
    assert rate(free_from_minor=5_000).price_for(0, goods_minor) == price


def test_an_order_keeps_enough_of_a_rate_to_know_it_again() -> None:
    quoted = rate(provider="sandbox", code="express")
    assert rate_of_facts(quoted.facts()) == quoted
    assert rate_of_facts(rate().facts()) == rate()


def test_an_offer_is_in_the_currency_of_the_channel() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    shown = offer(rate(), "JPY", now, None)
    assert shown.price == Money(499, "JPY")
    assert shown.earliest == now
    assert shown.latest is None
