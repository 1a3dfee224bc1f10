"""Which tax rates apply where, and how they are rounded."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from domain.kernel.errors import InvalidInput
from domain.taxes import (
    TaxRate,
    TaxRounding,
    check,
    percent_of,
    rates_for,
    read_percent,
    shipping_rates,
    tax_parts,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def rate(name: str, percent: str, **more: object) -> TaxRate:
    number = sum(map(ord, name))
    return TaxRate(UUID(int=number), "CA", name, read_percent(Decimal(percent)), **more)  # type: ignore[arg-type]


GST = rate("GST", "5", applies_to_shipping=True)
QUEBEC = (rate("TPS", "5", region="QC"), rate("TVQ", "9.975", region="QC", applies_to_shipping=True))
BOOKS = rate("Zero", "0", tax_class="books")
ALL = (GST, *QUEBEC, BOOKS)


def names(rates: tuple[TaxRate, ...]) -> list[str]:
    return [one.name for one in rates]


def test_rates_of_the_region_stand_instead_of_those_of_the_country() -> None:
    assert names(rates_for(ALL, "QC", "standard", NOW)) == ["TPS", "TVQ"]
    assert names(rates_for(ALL, "qc", "standard", NOW)) == ["TPS", "TVQ"]
    assert names(rates_for(ALL, "Quebec", "standard", NOW)) == ["TPS", "TVQ"]
    assert names(rates_for(ALL, "ON", "standard", NOW)) == ["GST"]
    assert names(rates_for(ALL, None, "standard", NOW)) == ["GST"]


def test_a_class_without_a_rate_is_taxed_as_standard_and_zero_exempts() -> None:
    assert names(rates_for(ALL, "ON", "toys", NOW)) == ["GST"]
    assert names(rates_for(ALL, "ON", "books", NOW)) == ["Zero"]


def test_only_rates_that_say_so_are_for_delivery() -> None:
    assert names(shipping_rates(ALL, "QC", NOW)) == ["TVQ"]
    assert names(shipping_rates((rate("VAT", "20"),), None, NOW)) == []


def test_a_rate_holds_from_its_first_moment_to_just_before_its_last() -> None:
    old, new = rate("VAT", "19", valid_until=NOW), rate("VAT", "16", valid_from=NOW)

    assert [one.percent for one in rates_for((old, new), None, "standard", NOW)] == [16]
    assert [one.percent for one in rates_for((old, new), None, "standard", NOW - DAY)] == [19]


def test_rounding_a_line_at_a_time_differs_from_rounding_the_order() -> None:
    nineteen = (rate("VAT", "19"),)

    assert tax_parts([108] * 3, nineteen, included=False, rounding=TaxRounding.LINE) == [[21, 21, 21]]
    assert tax_parts([108] * 3, nineteen, included=False, rounding=TaxRounding.ORDER) == [[21, 21, 20]]


def test_included_tax_is_the_part_of_the_price_that_the_rate_makes_it() -> None:
    assert tax_parts([12_000], (rate("VAT", "20"),), included=True, rounding=TaxRounding.LINE) == [[2000]]
    assert tax_parts([1], (rate("VAT", "100"),), included=True, rounding=TaxRounding.LINE) == [[1]]


def test_two_rates_share_what_is_included_by_their_size_without_drifting() -> None:
    rows = tax_parts([115] * 1000, QUEBEC, included=True, rounding=TaxRounding.LINE)

    assert [sum(row) for row in zip(*rows, strict=True)] == [15] * 1000
    assert [sum(row) for row in rows] == [5008, 9992], "15,000 as 5 to 9.975"


@pytest.mark.parametrize("percent", ["-0.1", "100.0001", "0.00001", "NaN", "-Infinity", "1E-999999"])
def test_a_rate_is_exact_or_refused(percent: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_percent(Decimal(percent), "percent")

    assert caught.value.path == ("percent",)


@pytest.mark.parametrize("percent", ["0", "5", "9.975", "8.8750", "20", "100", "0.0001"])
def test_a_rate_is_shown_as_it_was_given(percent: str) -> None:
    assert percent_of(read_percent(Decimal(percent))) == Decimal(percent)
    assert "E" not in str(percent_of(read_percent(Decimal(percent))))


def test_a_region_is_kept_as_its_country_lists_it_and_found_however_it_is_written() -> None:
    quebec = check(TaxRate(UUID(int=1), "CA", "TVQ", 1, region="quebec"))
    tokyo = check(TaxRate(UUID(int=1), "JP", "Tax", 1, region="Tokyo"))
    anywhere = check(TaxRate(UUID(int=1), "GB", "VAT", 1, region="Isle of Man"))

    assert quebec.region == "QC"
    assert [rates_for((tokyo,), name, "standard", NOW) for name in ("東京都", "TOKYO", "大阪府")] == [
        (tokyo,),
        (tokyo,),
        (),
    ]
    assert rates_for((anywhere,), "ISLE OF MAN", "standard", NOW) == (anywhere,)


@pytest.mark.parametrize(
    ("one", "field"),
    [
        (TaxRate(UUID(int=1), "XX", "VAT", 1), "country"),
        (TaxRate(UUID(int=1), "GB", " ", 1), "name"),
        (TaxRate(UUID(int=1), "GB", "VAT", 1, "Not a class"), "taxClass"),
        (TaxRate(UUID(int=1), "GB", "VAT", 1, "books", applies_to_shipping=True), "appliesToShipping"),
        (TaxRate(UUID(int=1), "GB", "VAT", 1, valid_from=NOW, valid_until=NOW), "validUntil"),
        (TaxRate(UUID(int=1), "GB", "VAT", 1, region=""), "region"),
        (TaxRate(UUID(int=1), "CA", "TVQ", 1, region="Bavaria"), "region"),
    ],
)
def test_what_does_not_make_a_rate_names_its_field(one: TaxRate, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(one)

    assert caught.value.path == (field,)
