"""Which discounts apply, in which order, and what each takes off."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.discounts import (
    Candidate,
    Discount,
    DiscountKind,
    DiscountRefusal,
    check,
    choose,
    read_percent,
    refusal,
)
from domain.kernel.errors import InvalidInput
from domain.pricing import PricedLine

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def line(sku: str, quantity: int, price: int) -> PricedLine:
    return PricedLine(UUID(int=ord(sku[0])), sku, quantity, price)


def percentage(points: int, number: int = 1, **more: Any) -> Discount:
    return Discount(UUID(int=number), DiscountKind.PERCENTAGE, f"P{number}", basis_points=points, **more)


def amount(minor: int, number: int = 2, **more: Any) -> Discount:
    return Discount(UUID(int=number), DiscountKind.FIXED_AMOUNT, f"A{number}", amount_minor=minor, **more)


def buy_get(buy: int, get: int, points: int = 10_000, **more: Any) -> Discount:
    return Discount(
        UUID(int=3),
        DiscountKind.BUY_X_GET_Y,
        "B",
        basis_points=points,
        buy_quantity=buy,
        get_quantity=get,
        **more,
    )


def taken(*discounts: Discount, lines: list[PricedLine], shipping: int = 0) -> list[tuple[str, int]]:
    return [(cut.discount.name, cut.total_minor) for cut in choose(discounts, lines, shipping)]


def test_a_percentage_is_rounded_once_and_split_by_largest_remainder() -> None:
    (cut,) = choose([percentage(1000)], [line("a", 1, 333), line("b", 1, 333), line("c", 1, 339)], 0)

    assert cut.total_minor == 101, "10 % of 10.05, half up"
    assert list(cut.lines) == [34, 33, 34]


def test_an_amount_takes_no_more_than_there_is() -> None:
    assert taken(amount(5000), lines=[line("a", 1, 1200)]) == [("A2", 1200)]


def test_each_discount_takes_from_what_those_before_it_left() -> None:
    lines = [line("a", 1, 10_000)]

    assert taken(percentage(1000), amount(500, priority=1), lines=lines) == [("P1", 1000), ("A2", 500)]
    assert taken(percentage(1000, priority=1), amount(500), lines=lines) == [("A2", 500), ("P1", 950)]


def test_a_discount_of_some_skus_leaves_the_others_alone() -> None:
    (cut,) = choose([percentage(5000, skus=frozenset("b"))], [line("a", 1, 100), line("b", 1, 100)], 0)

    assert list(cut.lines) == [0, 50]


def test_one_that_does_not_combine_applies_alone_when_it_takes_more_off() -> None:
    lines = [line("a", 1, 10_000)]
    together = (percentage(1000, 1), percentage(500, 2))

    assert taken(*together, percentage(2000, 3, combinable=False), lines=lines) == [("P3", 2000)]
    assert taken(*together, percentage(1400, 3, combinable=False), lines=lines) == [("P1", 1000), ("P2", 450)]
    assert taken(percentage(1000, 1), percentage(1000, 3, combinable=False), lines=lines) == [("P1", 1000)]


def test_free_shipping_takes_off_the_delivery_and_nothing_else() -> None:
    free = Discount(UUID(int=9), DiscountKind.FREE_SHIPPING, "F")
    (cut,) = choose([free], [line("a", 1, 100)], 495)

    assert (cut.shipping_minor, list(cut.lines)) == (495, [0])


@pytest.mark.parametrize(
    ("quantities", "off"),
    [((1, 1), 0), ((2, 1), 100), ((3, 0), 300), ((5, 1), 100 + 300), ((0, 6), 200)],
    ids=["too few", "one of three", "three equal", "two of six", "six equal"],
)
def test_buy_two_get_one_makes_the_cheapest_free(quantities: tuple[int, int], off: int) -> None:
    lines = [
        one for one in (line("dear", quantities[0], 300), line("cheap", quantities[1], 100)) if one.quantity
    ]
    candidate = buy_get(2, 1)

    refused = refusal(Candidate(candidate), lines, 10_000, NOW)

    assert (refused is None) == (sum(quantities) >= 3)
    assert sum(cut.total_minor for cut in choose([candidate], lines, 0)) == off


def test_the_unit_got_may_cost_half() -> None:
    assert taken(buy_get(1, 1, 5000), lines=[line("a", 2, 333)]) == [("B", 167)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": False}, DiscountRefusal.NOT_ACTIVE),
        ({"starts_at": NOW + DAY}, DiscountRefusal.NOT_STARTED),
        ({"ends_at": NOW}, DiscountRefusal.ENDED),
        ({"usage_limit": 3, "used": 3}, DiscountRefusal.USAGE_LIMIT_REACHED),
        ({"usage_limit_per_customer": 1}, DiscountRefusal.CUSTOMER_LIMIT_REACHED),
        ({"minimum_subtotal_minor": 1001}, DiscountRefusal.MINIMUM_NOT_REACHED),
        ({"skus": frozenset({"z"})}, DiscountRefusal.NO_ELIGIBLE_ITEMS),
        ({"starts_at": NOW, "ends_at": NOW + DAY, "usage_limit": 3, "used": 2}, None),
        ({"minimum_subtotal_minor": 1000, "skus": frozenset({"a", "z"})}, None),
        ({"usage_limit_per_customer": 2}, None),
    ],
)
def test_a_discount_says_why_it_does_not_apply(
    changes: dict[str, Any], reason: DiscountRefusal | None
) -> None:
    candidate = Candidate(replace(percentage(1000), **changes), used_by_customer=1)

    assert refusal(candidate, [line("a", 1, 1000)], 1000, NOW) is reason


@pytest.mark.parametrize(
    ("one", "field"),
    [
        (percentage(0), "percent"),
        (percentage(10_001), "percent"),
        (replace(percentage(1), amount_minor=5), "amount"),
        (replace(percentage(1), basis_points=None), "percent"),
        (amount(0), "amount"),
        (amount(-1), "amount"),
        (replace(amount(1), amount_minor=None), "amount"),
        (buy_get(0, 1), "buyQuantity"),
        (buy_get(1, 10**9), "getQuantity"),
        (percentage(1, code="with space"), "code"),
        (percentage(1, code="ä"), "code"),
        (percentage(1, skus=frozenset()), "skus"),
        (percentage(1, starts_at=NOW, ends_at=NOW), "endsAt"),
        (percentage(1, usage_limit=0), "usageLimit"),
        (percentage(1, usage_limit=2, used=3), "usageLimit"),
        (percentage(1, usage_limit_per_customer=0), "usageLimitPerCustomer"),
        (percentage(1, priority=10**9), "priority"),
        (replace(percentage(1), name=" "), "name"),
    ],
)
def test_what_does_not_make_a_discount_names_its_field(one: Discount, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(one)

    assert caught.value.path == (field,)


@pytest.mark.parametrize("percent", ["-1", "100.01", "0.001", "NaN", "Infinity", "1E-999999", "1E+999999"])
def test_a_percentage_is_exact_or_refused(percent: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_percent(Decimal(percent))

    assert caught.value.path == ("percent",)
    assert read_percent(Decimal("12.34")) == 1234
