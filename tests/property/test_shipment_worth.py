"""Whatever is edited, given back and sent, in any turn: what is kept in the end is what the order costs."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import shipment_changes
from domain.addresses import Address
from domain.channels import CapturePolicy
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.errors import DomainError
from domain.kernel.ids import new_id
from domain.order_edit_stock import Shelf, give_back, secure
from domain.order_edits import Goods, NewQuantity, Placed, plan
from domain.orders import (
    Order,
    OrderFulfillmentStatus,
    OrderLine,
    OrderPaymentStatus,
    OrderStatus,
    edited_back_minor,
    fulfillment_status,
    given_back_minor,
    is_complete,
)
from domain.parcels import Carriage, ParcelDraft
from domain.payment_changes import Change, capture_of, overpaid, refund_of, replaced
from domain.payments import Payment, PaymentStatus
from domain.pricing import PricedLine, PricingRules, price
from domain.shipment_changes import LockedFulfillment, open_units
from domain.taxes import TaxRate, TaxRounding
from services.payment_captures import at_the_end

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ADDRESS = Address("Ada", "1 Main St", "Dublin", "IE")


class Sale:
    """An order whose money is all there, captured as its parcels leave."""

    def __init__(self, sold: list[tuple[int, int]], currency: str, rules: PricingRules, tax: bool) -> None:
        self.rules, self.gifts_minor = rules, 0
        lines = [
            OrderLine(new_id(), new_id(), f"S{at}", f"S{at}", units, minor, at)
            for at, (units, minor) in enumerate(sold)
        ]
        priced = price(
            [PricedLine(line.id, line.sku, line.quantity, line.unit_price_minor) for line in lines],
            499, rules, currency=currency, address=ADDRESS, now=NOW,
        )  # fmt: skip
        lines = [
            replace(
                line,
                discount_minor=min(at + 1, line.total_minor),
                tax_minor=priced.part_of(line.id).tax_minor,
            )
            for at, line in enumerate(lines)
        ]
        discount, totals = sum(line.discount_minor for line in lines), priced.totals
        order = Order(
            new_id(), "1", new_id(), OrderStatus.OPEN, OrderPaymentStatus.AUTHORIZED,
            OrderFulfillmentStatus.UNFULFILLED, 1, 1, None, currency, ADDRESS, None, None,
            totals.subtotal_minor, 499, totals.tax_minor, discount, totals.total_minor - discount, NOW,
            tax_included=rules.prices_include_tax,
        )  # fmt: skip
        self.adjustments = priced.adjustments if tax else ()
        # Each unit may be sent by itself, and what of it is not begun may be edited.
        parts = [
            FulfillmentOrder(
                new_id(), order.id, new_id(), FulfillmentOrderStatus.OPEN,
                (FulfillmentOrderLine(new_id(), line.id, line.variant_id or uuid4(), line.sku, 1),),
            )
            for line in lines for _ in range(line.quantity)
        ]  # fmt: skip
        self.found = LockedFulfillment(
            order, tuple(lines), tuple(parts), (), (), CapturePolicy.AT_SHIPMENT
        ).derived()
        self.pay(order.total_minor)

    @property
    def kept_minor(self) -> int:
        payments = self.found.payments
        return sum(one.captured_minor for one in payments) - given_back_minor(payments)

    def pay(self, amount_minor: int) -> None:
        """Reserve what is due."""
        paid = Payment(
            new_id(), "sandbox", "ok", PaymentStatus.AUTHORIZED, self.found.order.currency,
            amount_minor, authorized_minor=amount_minor, reference="name",
        )  # fmt: skip
        self.found = replace(self.found, payments=(*self.found.payments, paid))

    def settle(self, changes: list[Change]) -> None:
        """Let providers do what they are asked for."""
        settled = [
            replace(
                one,
                captured_minor=one.captured_minor + one.capturing_minor,
                refunded_minor=one.refunded_minor + one.refunding_minor,
                capturing_minor=0,
                refunding_minor=0,
            )
            for one in replaced(self.found.payments, changes)
        ]
        self.found = replace(self.found, payments=tuple(settled))

    def edit(self, quantities: list[NewQuantity], goods: list[Goods]) -> None:
        """Change what is ordered, with all that an edit does of it to parts and payments."""
        found = self.found
        parcels = tuple(one.status for one in found.shipments)
        placed = Placed(
            found.order, found.lines, found.parts, self.adjustments, found.payments, self.rules,
            dict.fromkeys([line.variant_id for line in found.lines if line.variant_id], "standard"), parcels,
        )  # fmt: skip
        edit = plan(placed, quantities, goods, NOW)
        refunds = overpaid(found.payments, found.order.currency, edit.refund_minor, "edited", NOW)
        changed, _ = give_back(edit.order, found.parts, edit.taken)
        parts = {one.id: one for one in (*found.parts, *changed)}
        shelves = [Shelf(need.variant_id, uuid4(), need.quantity, 0) for need in edit.needs]
        made, _ = secure(found.order.id, edit.needs, shelves, list(parts.values()))
        parts |= {one.id: one for one in made}
        self.settle(refunds)
        order = replace(
            edit.order,
            fulfillment_status=fulfillment_status(list(parts.values()), parcels),
            edited_back_minor=edited_back_minor(edit.order, self.found.payments),
        )
        self.found = replace(self.found, order=order, lines=edit.lines, parts=tuple(parts.values()))
        self.adjustments = edit.adjustments
        if edit.due_minor:
            self.pay(edit.due_minor)
        self.settle(at_the_end(CapturePolicy.AT_SHIPMENT, order, edit.lines, self.found.payments, NOW))

    def send(self, part: FulfillmentOrder) -> None:
        """Send what is open of a part, and take what it is worth."""
        packed, made = shipment_changes.pack(
            self.found, part, [ParcelDraft(open_units(part, self.found.shipments))], Carriage("Post")
        )
        done = shipment_changes.hand_over(packed, [one.id for one in made], NOW)
        self.found = done.after
        self.settle(capture_of(self.found.payments, done.worth_minor, NOW))

    def give(self, amount_minor: int) -> None:
        """Give something back that the order costs all the same: a parcel was late."""
        self.settle(refund_of(self.found.payments, self.found.order.currency, amount_minor, "late", NOW))
        self.gifts_minor += amount_minor

    @property
    def waiting(self) -> list[FulfillmentOrder]:
        return [one for one in self.found.parts if open_units(one, self.found.shipments)]


def _act(sale: Sale, chance: random.Random) -> None:
    match chance.randrange(4):
        case 0 if len(sale.waiting) > 1:
            sale.send(chance.choice(sale.waiting))
        case 1 if sale.kept_minor > 0:
            sale.give(chance.randint(1, sale.kept_minor))
        case 2:
            line = chance.choice(sale.found.lines)
            sale.edit([NewQuantity(line.id, chance.randint(0, 6))], [])
        case 3:
            sale.edit(
                [], [Goods(uuid4(), "N", "N", chance.randint(0, 999), "standard", chance.randint(1, 3))]
            )


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 99_999)), min_size=1, max_size=3),
    st.sampled_from(["JPY", "USD", "KWD"]),
    st.integers(0, 300_000),
    st.booleans(),
    st.randoms(use_true_random=False),
    st.integers(1, 14),
)
def test_what_is_kept_in_the_end_is_what_the_order_costs(
    sold: list[tuple[int, int]],
    currency: str,
    tax_rate: int,
    included: bool,
    chance: random.Random,
    steps: int,
) -> None:
    rates = (TaxRate(uuid4(), "IE", "VAT", tax_rate),) if tax_rate else ()
    sale = Sale(sold, currency, PricingRules((), rates, included, TaxRounding.LINE), bool(rates))
    for _ in range(steps):
        try:
            _act(sale, chance)
        except DomainError:
            continue  # what may not be done changes nothing
        order = sale.found.order
        assert sale.kept_minor <= max(0, order.total_minor - sale.gifts_minor)
    for part in sale.waiting:
        sale.send(part)
    order = sale.found.order
    assert order.fulfillment_status is OrderFulfillmentStatus.FULFILLED
    assert sale.kept_minor == max(0, order.total_minor - sale.gifts_minor)
    assert is_complete(order, sale.found.payments)
