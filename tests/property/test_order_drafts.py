"""Drafts as properties: whatever staff ask, the sums are exact, and their own prices stay theirs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.carts import Cart, CartStatus, Offer
from domain.catalog import Variant, VariantRef
from domain.channels import Channel
from domain.kernel.changes import KEEP
from domain.kernel.ids import new_id
from domain.kernel.money import Amount, exponent_of
from domain.order_drafts import DraftChanges, WantedLine, change, drafted, following
from domain.shipping import standard_rate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VARIANTS = [Variant(new_id(), new_id(), f"S{number}", f"S{number}") for number in range(6)]
LISTED = {VariantRef(sku=one.sku): Offer(one, 100 * place) for place, one in enumerate(VARIANTS)}
LINES = st.lists(
    st.tuples(
        st.sampled_from(VARIANTS), st.integers(1, 1000), st.none() | st.integers(0, 10**7) | st.just(KEEP)
    ),
    max_size=6,
    unique_by=lambda line: line[0].id,
)


def wanted(lines: Sequence[tuple[Variant, int, object]], currency: str) -> list[WantedLine]:
    """Return lines as staff send them, their prices in decimals."""
    scale = Decimal(1).scaleb(-exponent_of(currency))
    return [
        WantedLine(
            VariantRef(sku=variant.sku),
            quantity,
            Amount(price * scale, currency) if isinstance(price, int) else KEEP if price is KEEP else None,
        )
        for variant, quantity, price in lines
    ]


@given(st.sampled_from(["JPY", "USD", "KWD"]), LINES, LINES, st.integers(0, 10**6))
def test_any_change_of_lines_adds_up_and_keeps_what_staff_have_set(
    currency: str,
    first: Sequence[tuple[Variant, int, object]],
    second: Sequence[tuple[Variant, int, object]],
    shipping_minor: int,
) -> None:
    rate = standard_rate(new_id())
    empty = Cart(
        new_id(), Channel(new_id(), "c", "C", currency), CartStatus.ACTIVE, 1, 1, NOW, NOW, rates=(rate,)
    )
    price = Amount(Decimal(shipping_minor).scaleb(-exponent_of(currency)), currency)
    before = change(empty, DraftChanges(lines=wanted(first, currency)), LISTED)
    delivery = DraftChanges(delivery_rate_id=rate.id, shipping_price=price) if first else DraftChanges()
    before = change(before, delivery, {})
    after = change(before, DraftChanges(lines=wanted(second, currency)), LISTED)

    own: dict[str, int] = {variant.sku: asked for variant, _, asked in first if isinstance(asked, int)}
    expected = []
    for variant, quantity, asked in second:
        listed = LISTED[VariantRef(sku=variant.sku)].price_minor or 0
        kept = own.get(variant.sku, listed) if asked is KEEP else listed
        expected.append((variant.sku, quantity, asked if isinstance(asked, int) else kept))
    assert [(line.variant.sku, line.quantity, line.unit_price_minor) for line in after.lines] == expected

    order = following(drafted(before, new_id(), None, NOW), after)
    assert order.subtotal_minor == sum(quantity * asked for _, quantity, asked in expected)
    assert order.shipping_minor == (shipping_minor if first and second else 0)
    assert order.total_minor == order.subtotal_minor + order.shipping_minor
    assert order.version == 2
