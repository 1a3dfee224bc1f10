"""Carts: the decisions themselves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain import carts
from domain.carts import Cart, CartStatus, Offer
from domain.catalog import Variant
from domain.channels import Channel
from domain.delivery_options import NO_DELIVERY_RULES
from domain.kernel.errors import CartClosed, InvalidInput, NotFound
from domain.kernel.money import MAX_AMOUNT_MINOR, Money

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def cart(currency: str = "USD", status: CartStatus = CartStatus.ACTIVE) -> Cart:
    return Cart(UUID(int=1), Channel(UUID(int=2), "web", "Web", currency), status, 1, 1, NOW, NOW)


def offer(number: int = 1, price_minor: int | None = 250, *, archived: bool = False) -> Offer:
    variant = Variant(
        UUID(int=number), UUID(int=9), f"SKU-{number}", "Mug", weight_grams=300, archived=archived
    )
    return Offer(variant, price_minor)


@pytest.mark.parametrize(("currency", "total"), [("JPY", "1250"), ("USD", "12.50"), ("KWD", "1.250")])
def test_totals_have_the_currencys_own_decimals(currency: str, total: str) -> None:
    filled, _ = carts.add(cart(currency), offer(), 5)
    assert str(Money(filled.totals.total_minor, currency).amount) == total
    assert filled.consignment.packing(NO_DELIVERY_RULES).billable_grams() == 1_500


def test_each_variant_is_one_line_at_todays_price() -> None:
    first, line = carts.add(cart(), offer(1), 1)
    second, _ = carts.add(first, offer(2), 1)
    third, again = carts.add(second, offer(1, 300), 2)
    assert again.id == line.id
    assert [(one.quantity, one.unit_price_minor, one.position) for one in third.lines] == [
        (3, 300, 0),
        (1, 250, 1),
    ]
    gone, _ = carts.remove(third, line.id)
    _, new = carts.add(gone, offer(3), 1)
    assert new.position == 2


def test_a_new_cart_merges_what_is_named_twice_and_knows_where_it_came_from() -> None:
    filled, origins = carts.fill(cart(), [(offer(1), 1), (offer(2), 2), (offer(1), 3)])
    assert [(line.variant.sku, line.quantity) for line in filled.lines] == [("SKU-1", 4), ("SKU-2", 2)]
    assert [origins[line.id] for line in filled.lines] == [0, 1]


@pytest.mark.parametrize("bad", [None, offer(price_minor=None), offer(archived=True)])
def test_what_is_not_sold_is_not_found(bad: Offer | None) -> None:
    with pytest.raises(NotFound) as single:
        carts.add(cart(), bad, 1)
    assert single.value.path == ("variant",)
    with pytest.raises(NotFound) as among:
        carts.fill(cart(), [(offer(), 1), (bad, 1)])
    assert among.value.path == ("lines", "1", "variant")


def test_a_cart_takes_so_many_units_and_no_more() -> None:
    full, line = carts.add(cart(), offer(1), 3, most_units=5)
    full, other = carts.add(full, offer(2), 2, most_units=5)
    attempts: list[Callable[[], object]] = [
        lambda: carts.add(full, offer(1), 1, most_units=5),
        lambda: carts.resize(full, line.id, 4, most_units=5),
        lambda: carts.add(cart(), offer(1), 6, most_units=5),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInput) as refused:
            attempt()
        assert refused.value.path == ("quantity",)
    with pytest.raises(InvalidInput) as among:
        carts.fill(cart(), [(offer(1), 3), (offer(2), 3)], most_units=5)
    assert among.value.path == ("lines", "1", "quantity")
    # A limit that was lowered leaves the way down open.
    fewer, _ = carts.resize(full, line.id, 2, most_units=3)
    assert carts.remove(fewer, other.id)[0].unit_count == 2


def test_limits_name_what_is_beyond_them() -> None:
    many = [(offer(number), 1) for number in range(1, carts.MAX_LINES + 1)]
    full, _ = carts.fill(cart(), many)
    with pytest.raises(InvalidInput) as lines:
        carts.add(full, offer(carts.MAX_LINES + 1), 1)
    assert lines.value.path == ("variant",)
    carts.add(full, offer(1), 1)
    with pytest.raises(InvalidInput) as total:
        carts.add(cart(), offer(price_minor=MAX_AMOUNT_MINOR), 2)
    assert total.value.path == ("quantity",)
    most, _ = carts.add(cart(), offer(), carts.MAX_LINE_QUANTITY)
    with pytest.raises(InvalidInput):
        carts.add(most, offer(), 1)


def test_a_line_no_longer_sold_can_only_be_removed() -> None:
    filled, line = carts.add(cart(), offer(), 1)
    withdrawn = replace(filled, lines=(replace(line, offered_minor=None),))
    with pytest.raises(NotFound) as gone:
        carts.resize(withdrawn, line.id, 2)
    assert gone.value.path == ("lineId",)
    assert carts.remove(withdrawn, line.id)[0].lines == ()


@pytest.mark.parametrize("status", CartStatus)
def test_only_active_and_abandoned_carts_change(status: CartStatus) -> None:
    if status in {CartStatus.ACTIVE, CartStatus.ABANDONED}:
        carts.check_changeable(cart(status=status))
    else:
        with pytest.raises(CartClosed):
            carts.check_changeable(cart(status=status))
