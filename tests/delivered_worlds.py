"""Orders as the price engine makes them, delivered and paid in several ways, for properties of returns."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import strategies as st

from domain.addresses import Address
from domain.discounts import Candidate, Discount, DiscountKind
from domain.inventory import Movement
from domain.kernel.money import allocate_minor
from domain.orders import (
    Order,
    OrderFulfillmentStatus,
    OrderLine,
    OrderPaymentStatus,
    OrderStatus,
)
from domain.payments import Payment, PaymentStatus, PaymentTransaction
from domain.pricing import PricedLine, PricingRules, price
from domain.return_policies import WHOLE, LabelPayer, ReturnPolicy, ShippingRefund
from domain.returns import Grade, Return
from domain.taxes import TaxRate, TaxRounding

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ADDRESS = Address("Ada", "1 Main St", "Dublin", "IE")
CURRENCIES = ("JPY", "USD", "KWD")
PARTS = st.integers(0, WHOLE)
KIND = ReturnPolicy(grades=dict.fromkeys(Grade, WHOLE))
"""A shop that gives everything back, whatever came."""


@dataclass
class World:
    """An order that was delivered, and all that has come back of it."""

    order: Order
    lines: tuple[OrderLine, ...]
    payments: list[Payment]
    transactions: list[PaymentTransaction] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)

    @property
    def captured(self) -> int:
        return sum(one.captured_minor for one in self.payments)

    @property
    def given_back(self) -> int:
        return sum(one.refunded_minor + one.refunding_minor + one.credited_minor for one in self.payments)


@st.composite
def delivered(draw: st.DrawFn) -> World:
    """Draw an order as the price engine makes one, paid in several ways, all of it delivered."""
    included, currency = draw(st.booleans()), draw(st.sampled_from(CURRENCIES))
    most = draw(st.sampled_from([9, 2_000, 5_000_000]))
    rules = _rules(draw, included=included)
    sold = [
        OrderLine(uuid4(), uuid4(), f"S{at}", f"S{at}", units, minor, at, quantity_shipped=units)
        for at, (minor, units) in enumerate(
            draw(st.lists(st.tuples(st.integers(0, most), st.integers(1, 7)), min_size=1, max_size=4))
        )
    ]
    shipping = draw(st.integers(0, most))
    priced = price(
        [PricedLine(line.id, line.sku, line.quantity, line.unit_price_minor) for line in sold],
        shipping,
        rules,
        currency=currency,
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
    payments = _payments(draw, totals.total_minor, currency)
    order = Order(
        id=uuid4(),
        number="1",
        channel_id=uuid4(),
        status=OrderStatus.COMPLETED,
        payment_status=OrderPaymentStatus.PAID,
        fulfillment_status=OrderFulfillmentStatus.DELIVERED,
        version=1,
        token_generation=1,
        email="ada@example.com",
        currency=currency,
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
    return World(order, lines, payments)


def _rules(draw: st.DrawFn, *, included: bool) -> PricingRules:
    return PricingRules(
        tuple(
            Candidate(Discount(uuid4(), DiscountKind.PERCENTAGE, "Off", basis_points=points))
            for points in draw(st.lists(st.integers(1, 9_999), max_size=2))
        ),
        tuple(
            TaxRate(uuid4(), "IE", f"VAT {at}", parts)
            for at, parts in enumerate(draw(st.lists(st.integers(1, 300_000), max_size=2)))
        ),
        included,
        draw(st.sampled_from(TaxRounding)),
    )


def _payments(draw: st.DrawFn, total: int, currency: str) -> list[Payment]:
    known = ["sandbox", "sandbox", "gift_card", "store_credit", "manual"]
    providers = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
    weights = draw(st.lists(st.integers(1, 9), min_size=len(providers), max_size=len(providers)))
    return [
        Payment(uuid4(), name, "ok", PaymentStatus.CAPTURED, currency, part, part, part, reference=f"p{at}")
        for at, (name, part) in enumerate(zip(providers, allocate_minor(total, weights), strict=True))
    ]


@st.composite
def policies(draw: st.DrawFn) -> ReturnPolicy:
    """Draw what a shop keeps of what comes back."""
    return ReturnPolicy(
        restocking_fee=draw(st.one_of(st.just(0), PARTS)),
        label_payer=draw(st.sampled_from(LabelPayer)),
        label_fee_minor=draw(st.integers(0, 700)),
        shipping_refund=draw(st.sampled_from(ShippingRefund)),
        credit_bonus=draw(st.sampled_from([0, 1, 100_000, WHOLE])),
        grades={grade: draw(PARTS) for grade in Grade},
    )
