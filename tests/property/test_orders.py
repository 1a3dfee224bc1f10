"""Orders as properties: what they amount to, who sends what, and the two derived axes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import Address
from domain.carts import CartStatus
from domain.checkouts import Checkout, CheckoutLine, is_secured
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.order_placement import Allocation, place, unsecured
from domain.orders import (
    OrderFulfillmentStatus,
    OrderPaymentStatus,
    OrderStatus,
    fulfillment_status,
    payment_status,
)
from domain.payments import Payment, PaymentStatus
from domain.shipments import ShipmentStatus
from domain.shipping import DeliveryRate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESS = Address("Ada", "1 Main St", "Dublin", "IE")
LOCATIONS = [uuid4() for _ in range(4)]


@st.composite
def payments(draw: st.DrawFn) -> Payment:
    """A payment that could be: captured <= authorized <= amount, refunded <= captured."""
    amount = draw(st.integers(0, 500))
    authorized = draw(st.integers(0, amount))
    captured = draw(st.integers(0, authorized))
    refunded = draw(st.integers(0, captured))
    ended = draw(st.sampled_from([None, None, None, PaymentStatus.VOIDED, PaymentStatus.FAILED]))
    if ended is not None:
        return Payment(uuid4(), "sandbox", "ok", ended, "EUR", amount, authorized)
    status = _status_of(authorized, captured, refunded)
    return Payment(uuid4(), "sandbox", "ok", status, "EUR", amount, authorized, captured, refunded)


@st.composite
def checkouts(draw: st.DrawFn) -> tuple[Checkout, list[Allocation]]:
    """A checkout, and every unit of it committed at some location."""
    quantities = draw(st.lists(st.integers(1, 50), min_size=1, max_size=6))
    lines = tuple(
        CheckoutLine(
            uuid4(),
            uuid4(),
            f"S{n}",
            f"S{n}",
            quantity,
            draw(st.integers(0, 9999)),
            n,
            100,
            True,
            quantity,
            NOW,
        )
        for n, quantity in enumerate(quantities)
    )
    allocations = []
    for line in lines:
        rest = line.quantity
        for location in draw(st.permutations(LOCATIONS)):
            take = rest if location == LOCATIONS[0] else draw(st.integers(0, rest))
            rest -= take
            if take:
                allocations.append(Allocation(line.id, line.variant_id, location, take))
        if rest:
            allocations.append(Allocation(line.id, line.variant_id, LOCATIONS[-1], rest))
    rate = DeliveryRate(uuid4(), "Post", "Standard", draw(st.integers(0, 2000)))
    rule = draw(st.none() | st.integers(0, 100_000))
    checkout = Checkout(
        uuid4(),
        uuid4(),
        False,
        CartStatus.ACTIVE,
        1,
        1,
        "EUR",
        "a@b.c",
        None,
        ADDRESS,
        None,
        rate,
        rule,
        lines,
    )
    return checkout, allocations


@given(checkouts(), st.booleans())
def test_an_order_is_its_cart_to_the_unit_and_penny(
    given_checkout: tuple[Checkout, list[Allocation]], wished: bool
) -> None:
    checkout, allocations = given_checkout
    total = checkout.total_minor
    payment = Payment(uuid4(), "sandbox", "ok", PaymentStatus.AUTHORIZED, "EUR", total, total)

    placement = place(checkout, uuid4(), allocations, payment, needs_review=wished, now=NOW)

    order = placement.order
    assert order.subtotal_minor == sum(line.total_minor for line in placement.lines)
    assert order.totals.total_minor == order.total_minor == total
    assert [(line.sku, line.quantity) for line in placement.lines] == [
        (line.sku, line.quantity) for line in checkout.lines
    ]
    sent = [(part.location_id, line) for part in placement.fulfillment_orders for line in part.lines]
    for line in placement.lines:
        assert sum(one.quantity for _, one in sent if one.order_line_id == line.id) == line.quantity
    places = [part.location_id for part in placement.fulfillment_orders]
    assert len(places) == len(set(places)), "one part a location"
    assert len({(place, line.order_line_id) for place, line in sent}) == len(sent), "one line a part"
    waits = wished or (checkout.review_from_minor is not None and total >= checkout.review_from_minor)
    assert (order.status is OrderStatus.PENDING_APPROVAL) is waits
    expected = OrderFulfillmentStatus.ON_HOLD if waits else OrderFulfillmentStatus.UNFULFILLED
    assert order.fulfillment_status is expected


@given(checkouts(), st.data())
def test_what_is_not_committed_is_known_by_line(
    given_checkout: tuple[Checkout, list[Allocation]], data: st.DataObject
) -> None:
    checkout, allocations = given_checkout
    assert unsecured(checkout, allocations) == {}
    lost = data.draw(st.sampled_from(allocations))
    kept = [one for one in allocations if one is not lost]
    assert unsecured(checkout, kept) == {lost.line_id: lost.quantity}


@given(checkouts(), st.integers(-1000, 1000))
def test_a_hold_that_ends_soon_does_not_secure_a_checkout(
    given_checkout: tuple[Checkout, list[Allocation]], seconds: int
) -> None:
    checkout, _ = given_checkout
    assert is_secured(checkout, NOW - timedelta(seconds=seconds)) is (seconds >= 120)


@given(st.integers(0, 800), st.lists(payments(), max_size=4))
def test_the_payment_axis_says_what_the_payments_amount_to(total: int, given_payments: list[Payment]) -> None:
    status = payment_status(total, given_payments)
    live = [one for one in given_payments if one.counts]
    captured, refunded = (
        sum(one.captured_minor for one in live),
        sum(one.refunded_minor for one in live),
    )
    authorized = sum(one.authorized_minor for one in live)
    if status is OrderPaymentStatus.PAID:
        assert captured == total
        assert not refunded
    if status is OrderPaymentStatus.OVERPAID:
        assert captured > total
    if status is OrderPaymentStatus.REFUNDED:
        assert 0 < refunded == captured
    if status is OrderPaymentStatus.AUTHORIZED:
        assert authorized >= total
        assert not captured
    if status is OrderPaymentStatus.VOIDED:
        assert not live
    if status in {OrderPaymentStatus.PENDING, OrderPaymentStatus.VOIDED}:
        assert not captured
    # What failed or was given up changes nothing beside a live payment.
    if live:
        assert payment_status(total, live) is status


@given(st.integers(1, 500))
def test_the_payment_axis_goes_step_by_step(total: int) -> None:
    def paid(authorized: int, captured: int, refunded: int) -> OrderPaymentStatus:
        status = _status_of(authorized, captured, refunded)
        one = Payment(uuid4(), "sandbox", "ok", status, "EUR", total, authorized, captured, refunded)
        return payment_status(total, [one])

    assert paid(0, 0, 0) is OrderPaymentStatus.PENDING
    assert paid(total, 0, 0) is OrderPaymentStatus.AUTHORIZED
    assert paid(total, total, 0) is OrderPaymentStatus.PAID
    assert paid(total, total, total) is OrderPaymentStatus.REFUNDED
    if total > 1:
        assert paid(1, 0, 0) is OrderPaymentStatus.PARTIALLY_AUTHORIZED
        assert paid(total, 1, 0) is OrderPaymentStatus.PARTIALLY_PAID
        assert paid(total, total, 1) is OrderPaymentStatus.PARTIALLY_REFUNDED


@st.composite
def parts(draw: st.DrawFn) -> FulfillmentOrder:
    """A fulfillment order some of whose units are shipped."""
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        quantity = draw(st.integers(1, 5))
        shipped = draw(st.integers(0, quantity))
        lines.append(FulfillmentOrderLine(uuid4(), uuid4(), uuid4(), "S", quantity, shipped))
    status = draw(st.sampled_from(FulfillmentOrderStatus))
    return FulfillmentOrder(UUID(int=1), UUID(int=2), UUID(int=3), status, tuple(lines))


@given(st.lists(parts(), max_size=4), st.lists(st.sampled_from(ShipmentStatus), max_size=3))
def test_the_fulfilment_axis_says_how_far_the_units_have_come(
    given_parts: list[FulfillmentOrder], shipments: list[ShipmentStatus]
) -> None:
    status = fulfillment_status(given_parts, shipments)
    live = [one for one in given_parts if one.status is not FulfillmentOrderStatus.CANCELED]
    ordered, shipped = _units(live)
    gone = {OrderFulfillmentStatus.FULFILLED, OrderFulfillmentStatus.DELIVERED}
    assert (status in gone) is (0 < shipped == ordered)
    assert (status is OrderFulfillmentStatus.PARTIALLY_FULFILLED) is (0 < shipped < ordered)
    if status is OrderFulfillmentStatus.DELIVERED:
        assert set(shipments) == {ShipmentStatus.DELIVERED}
    if status is OrderFulfillmentStatus.ON_HOLD:
        assert FulfillmentOrderStatus.ON_HOLD in {one.status for one in live}
    assert fulfillment_status(live, shipments) is status, "a canceled part changes nothing"


def _units(given_parts: Sequence[FulfillmentOrder]) -> tuple[int, int]:
    lines = [line for part in given_parts for line in part.lines]
    return sum(line.quantity for line in lines), sum(line.quantity_shipped for line in lines)


def _status_of(authorized_minor: int, captured_minor: int, refunded_minor: int) -> PaymentStatus:
    """The status of a payment that neither failed nor was voided."""
    if refunded_minor > 0:
        whole = refunded_minor >= captured_minor
        return PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED
    if captured_minor > 0:
        whole = captured_minor >= authorized_minor
        return PaymentStatus.CAPTURED if whole else PaymentStatus.PARTIALLY_CAPTURED
    return PaymentStatus.AUTHORIZED if authorized_minor > 0 else PaymentStatus.PENDING
