"""Whatever is bought under whatever rules: parts sum to their whole, and nobody is owed money for buying."""

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import Address
from domain.discounts import Candidate, Discount, DiscountKind
from domain.pricing import (
    AdjustmentKind,
    Price,
    PricedLine,
    PricingRules,
    freeze,
    price,
    thaw,
)
from domain.taxes import TaxRate, TaxRounding

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESS = Address("Ada", "1 Main St", "Montreal", "CA", region="QC")
CLASSES = ("standard", "reduced", "books")
SKUS = [f"S{number}" for number in range(1000)]


@st.composite
def baskets(draw: st.DrawFn, most: int = 40) -> list[PricedLine]:
    """Lines of different SKUs, the prices among them that make rounding hard."""
    count = draw(st.integers(1, most))
    prices = st.sampled_from([0, 1, 2, 3, 5, 99, 333, 1001]) | st.integers(0, 10**9)
    return [
        PricedLine(
            UUID(int=number + 1),
            SKUS[number],
            draw(st.integers(1, 9)),
            draw(prices),
            draw(st.sampled_from(CLASSES)),
        )
        for number in range(count)
    ]


@st.composite
def discounts(draw: st.DrawFn, number: int) -> Discount:
    """Any kind of discount, for everything or for some SKUs."""
    kind = draw(st.sampled_from(list(DiscountKind)))
    fields: dict[str, Any] = {
        "skus": draw(st.none() | st.frozensets(st.sampled_from(SKUS[:40]), min_size=1, max_size=20)),
        "combinable": draw(st.booleans()),
        "priority": draw(st.integers(-2, 2)),
    }
    if kind in {DiscountKind.PERCENTAGE, DiscountKind.BUY_X_GET_Y}:
        fields["basis_points"] = draw(st.integers(1, 10_000))
    if kind is DiscountKind.FIXED_AMOUNT:
        fields["amount_minor"] = draw(st.integers(1, 10**10))
    if kind is DiscountKind.BUY_X_GET_Y:
        fields["buy_quantity"], fields["get_quantity"] = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return Discount(UUID(int=number), kind, f"D{number}", **fields)


@st.composite
def rules(draw: st.DrawFn) -> PricingRules:
    """Discounts and rates of a channel, with the rounding and the kind of prices it may have."""
    made = [draw(discounts(number + 1)) for number in range(draw(st.integers(0, 4)))]
    rates = [
        TaxRate(
            UUID(int=100 + number),
            "CA",
            f"T{number}",
            draw(st.sampled_from([0, 1, 50_000, 99_750, 200_000, 1_000_000]) | st.integers(0, 1_000_000)),
            tax_class,
            draw(st.sampled_from([None, "QC", "ON"])),
            applies_to_shipping=tax_class == "standard" and draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 5)))
        for tax_class in [draw(st.sampled_from(CLASSES))]
    ]
    return PricingRules(
        tuple(Candidate(one) for one in made),
        tuple(rates),
        draw(st.booleans()),
        draw(st.sampled_from(list(TaxRounding))),
    )


def priced(lines: list[PricedLine], shipping: int, given_rules: PricingRules, currency: str = "USD") -> Price:
    """Price lines sent to Quebec."""
    return price(lines, shipping, given_rules, currency=currency, address=ADDRESS, now=NOW)


def assert_sums(lines: list[PricedLine], shipping: int, made: Price) -> None:
    """Fail unless lines, delivery, adjustments and totals agree to the minor unit, none below zero."""
    totals, parts = made.totals, [made.part_of(line.id) for line in lines]
    assert totals.subtotal_minor == sum(line.total_minor for line in lines)
    assert totals.shipping_minor == shipping
    assert totals.discount_minor == sum(one.discount_minor for one in parts) + made.shipping.discount_minor
    assert totals.tax_minor == sum(one.tax_minor for one in parts) + made.shipping.tax_minor
    net = totals.subtotal_minor + shipping - totals.discount_minor
    assert totals.total_minor == (net if totals.tax_included else net + totals.tax_minor) >= 0
    for kind, whole in (
        (AdjustmentKind.DISCOUNT, totals.discount_minor),
        (AdjustmentKind.TAX, totals.tax_minor),
    ):
        ones = [one for one in made.adjustments if one.source.kind is kind]
        assert sum(one.amount_minor for one in ones) == whole
        assert all(one.amount_minor >= 0 for one in ones)
        summed = [amount for source, _, amount in made.explanation.summed() if source.kind is kind]
        assert sum(summed) == whole
    for line, part in zip(lines, parts, strict=True):
        left = line.total_minor - part.discount_minor
        assert left >= 0
        assert part.tax_minor >= 0
        if totals.tax_included:
            assert part.tax_minor <= left, "net + tax = gross, and neither is below zero"
    assert 0 <= made.shipping.discount_minor <= shipping


@given(baskets(), st.integers(0, 5000), rules(), st.sampled_from(["JPY", "USD", "KWD"]))
def test_every_part_sums_to_its_whole(
    lines: list[PricedLine], shipping: int, given_rules: PricingRules, currency: str
) -> None:
    made = priced(lines, shipping, given_rules, currency)

    assert made.totals.currency == currency
    assert_sums(lines, shipping, made)


@pytest.mark.parametrize("currency", ["JPY", "USD", "KWD"])
@pytest.mark.parametrize("rounding", list(TaxRounding))
@pytest.mark.parametrize("included", [True, False], ids=["inclusive", "exclusive"])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 1000])
def test_sums_are_exact_however_many_lines(
    currency: str, rounding: TaxRounding, included: bool, count: int
) -> None:
    dice = random.Random(count)
    lines = [
        PricedLine(
            UUID(int=n + 1), SKUS[n], dice.randint(1, 9), dice.randint(0, 99_999), dice.choice(CLASSES)
        )
        for n in range(count)
    ]
    given_rules = PricingRules(
        (
            Candidate(Discount(UUID(int=1), DiscountKind.PERCENTAGE, "A", basis_points=1234)),
            Candidate(Discount(UUID(int=2), DiscountKind.FIXED_AMOUNT, "B", amount_minor=777)),
        ),
        (
            TaxRate(UUID(int=3), "CA", "GST", 50_000, applies_to_shipping=True),
            TaxRate(UUID(int=4), "CA", "QST", 99_750),
            TaxRate(UUID(int=5), "CA", "Books", 70_000, "books"),
        ),
        included,
        rounding,
    )

    made = priced(lines, 995, given_rules, currency)

    assert_sums(lines, 995, made)
    assert made.totals.discount_minor > 0
    assert len({one.source.label for one in made.adjustments}) >= (2 if count == 1 else 4)


@given(baskets(12), st.integers(0, 5000), rules(), st.randoms())
def test_the_order_of_the_lines_changes_nothing(
    lines: list[PricedLine], shipping: int, given_rules: PricingRules, dice: random.Random
) -> None:
    shuffled = list(lines)
    dice.shuffle(shuffled)

    one, other = priced(lines, shipping, given_rules), priced(shuffled, shipping, given_rules)

    assert one.totals == other.totals
    assert {line.id: one.part_of(line.id) for line in lines} == {
        line.id: other.part_of(line.id) for line in lines
    }


@given(baskets(12), st.integers(0, 5000), rules())
def test_what_was_frozen_is_what_is_charged(
    lines: list[PricedLine], shipping: int, given_rules: PricingRules
) -> None:
    made = priced(lines, shipping, given_rules)

    kept = thaw(freeze(made), made.totals.subtotal_minor, shipping, "USD")

    assert (kept.totals, kept.parts, kept.shipping) == (made.totals, made.parts, made.shipping)
    assert kept.adjustments == made.adjustments


@given(baskets(), st.integers(1, 1_000_000), st.sampled_from(list(TaxRounding)))
def test_rounding_strays_by_half_a_unit_a_line_or_half_a_unit_in_all(
    lines: list[PricedLine], parts_per_million: int, rounding: TaxRounding
) -> None:
    rate = TaxRate(UUID(int=1), "CA", "Tax", parts_per_million)
    net = sum(line.total_minor for line in lines)

    made = priced(lines, 0, PricingRules((), (rate,), False, rounding))

    roundings = 1 if rounding is TaxRounding.ORDER else len(lines)
    assert abs(made.totals.tax_minor * 1_000_000 - net * parts_per_million) <= roundings * 500_000
