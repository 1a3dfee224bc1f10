"""Any edit of any order: totals are the sum of their parts, and so is every explanation."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.addresses import Address
from domain.discounts import Candidate, Discount, DiscountKind
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.errors import InvalidInput
from domain.kernel.totals import Totals
from domain.order_edit_stock import Shelf, give_back, secure
from domain.order_edits import Edit, Goods, NewQuantity, Placed, plan
from domain.orders import Order, OrderFulfillmentStatus, OrderLine, OrderPaymentStatus, OrderStatus
from domain.pricing import AdjustmentKind, PricedLine, PricingRules, price
from domain.taxes import TaxRate, TaxRounding

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ADDRESS = Address("Ada", "1 Main St", "Dublin", "IE")
PRICES = st.integers(0, 100_000)
UNITS = st.integers(1, 30)


def a_percentage(basis_points: int) -> Candidate:
    return Candidate(Discount(uuid4(), DiscountKind.PERCENTAGE, "Off", basis_points=basis_points))


def an_order(totals: Totals, shipping: int, *, included: bool) -> Order:
    return Order(
        id=uuid4(),
        number="1",
        channel_id=uuid4(),
        status=OrderStatus.OPEN,
        payment_status=OrderPaymentStatus.PENDING,
        fulfillment_status=OrderFulfillmentStatus.UNFULFILLED,
        version=1,
        token_generation=1,
        email=None,
        currency="EUR",
        shipping_address=ADDRESS,
        billing_address=None,
        delivery=None,
        subtotal_minor=totals.subtotal_minor,
        shipping_minor=shipping,
        tax_minor=totals.tax_minor,
        discount_minor=totals.discount_minor,
        total_minor=totals.total_minor,
        placed_at=NOW,
        tax_included=included,
    )


@st.composite
def placed_orders(draw: st.DrawFn) -> Placed:
    """Draw an order as the price engine and the till make one."""
    included = draw(st.booleans())
    rules = PricingRules(
        tuple(a_percentage(points) for points in draw(st.lists(st.integers(1, 9_999), max_size=1))),
        tuple(
            TaxRate(uuid4(), "IE", f"VAT {at}", parts)
            for at, parts in enumerate(draw(st.lists(st.integers(1, 300_000), max_size=2)))
        ),
        included,
        draw(st.sampled_from(TaxRounding)),
    )
    sold = [
        OrderLine(uuid4(), uuid4(), f"S{at}", f"S{at}", units, minor, at)
        for at, (minor, units) in enumerate(draw(st.lists(st.tuples(PRICES, UNITS), min_size=1, max_size=5)))
    ]
    shipping = draw(PRICES)
    priced = price(
        [PricedLine(line.id, line.sku, line.quantity, line.unit_price_minor) for line in sold],
        shipping,
        rules,
        currency="EUR",
        address=ADDRESS,
        now=NOW,
    )
    lines = tuple(
        replace(
            line,
            discount_minor=priced.part_of(line.id).discount_minor,
            tax_minor=priced.part_of(line.id).tax_minor,
        )
        for line in sold
    )
    totals = priced.totals
    order = an_order(totals, shipping, included=included)
    part = FulfillmentOrder(
        uuid4(),
        order.id,
        uuid4(),
        FulfillmentOrderStatus.OPEN,
        tuple(
            FulfillmentOrderLine(uuid4(), line.id, line.variant_id or uuid4(), line.sku, line.quantity)
            for line in lines
        ),
    )
    classes = {line.variant_id: "standard" for line in lines if line.variant_id}
    return Placed(order, lines, (part,), priced.adjustments, (), rules, classes)


def _edited(placed: Placed, wanted: list[NewQuantity], goods: list[Goods]) -> Edit | None:
    """Return the edit, None where nothing is changed or nothing would be left."""
    try:
        return plan(placed, wanted, goods, NOW)
    except InvalidInput as refused:
        if "nothing" in refused.message:
            return None
        raise


@given(
    placed_orders(), st.lists(st.integers(0, 60), max_size=5), st.lists(st.tuples(PRICES, UNITS), max_size=3)
)
def test_an_edited_order_is_the_sum_of_its_parts(
    placed: Placed, quantities: list[int], added: list[tuple[int, int]]
) -> None:
    wanted = [NewQuantity(line.id, units) for line, units in zip(placed.lines, quantities, strict=False)]
    goods = [
        Goods(uuid4(), f"N{at}", f"N{at}", minor, "standard", units)
        for at, (minor, units) in enumerate(added)
    ]
    edit = _edited(placed, wanted, goods)
    if edit is None:
        return
    order = edit.order
    assert order.subtotal_minor == sum(line.total_minor for line in edit.lines)
    taxed = 0 if order.tax_included else order.tax_minor
    assert order.total_minor == order.subtotal_minor + order.shipping_minor - order.discount_minor + taxed
    assert min(order.total_minor, order.tax_minor, order.discount_minor) >= 0
    assert edit.difference_minor == order.total_minor - placed.order.total_minor
    for kind, whole in (
        (AdjustmentKind.DISCOUNT, order.discount_minor),
        (AdjustmentKind.TAX, order.tax_minor),
    ):
        reasons = [one for one in edit.adjustments if one.source.kind is kind]
        assert sum(one.amount_minor for one in reasons) == whole
        for line in edit.lines:
            part = line.discount_minor if kind is AdjustmentKind.DISCOUNT else line.tax_minor
            assert sum(one.amount_minor for one in reasons if one.line_id == line.id) == part
            assert 0 <= line.discount_minor <= line.total_minor


@given(placed_orders(), st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_the_parts_hold_exactly_the_units_of_the_lines(placed: Placed, quantities: list[int]) -> None:
    wanted = [NewQuantity(line.id, units) for line, units in zip(placed.lines, quantities, strict=False)]
    edit = _edited(placed, wanted, [])
    assume(edit is not None)
    assert edit is not None
    changed, back = give_back(edit.order, placed.parts, edit.taken)
    parts = {part.id: part for part in placed.parts} | {part.id: part for part in changed}
    shelves = [Shelf(need.variant_id, uuid4(), units, units) for need in edit.needs for units in (7, 60)]
    made, forth = secure(placed.order.id, edit.needs, shelves, list(parts.values()))
    everything = [*parts.values(), *made]
    for line in edit.lines:
        units = sum(one.quantity for part in everything for one in part.lines if one.order_line_id == line.id)
        assert units == line.quantity
    assert all(part.lines for part in everything if part.status is not FulfillmentOrderStatus.CANCELED)
    assert sum(move.quantity for move in back) == sum(edit.taken.values())
    assert sum(move.quantity for move in forth) == sum(need.quantity for need in edit.needs)
