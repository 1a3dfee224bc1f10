"""Exchanges: the order that replaces what comes back, and what of a return's worth pays for it.

The same article costs what was paid for it; another costs what the shop asks for it today. Amounts are in
minor units of the order's currency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.kernel.ids import new_id
from domain.kernel.money import rounded_half_up
from domain.order_edits import Need, settlement
from domain.orders import (
    Order,
    OrderFulfillmentStatus,
    OrderLine,
    OrderPaymentStatus,
    OrderStatus,
)
from domain.payments import Payment
from domain.pricing import PricedLine, PricingRules, price
from domain.returns import Return, ReturnLine
from domain.taxes import TaxSource

MOVED = "RETURN_EXCHANGED"
"""The reason of an exchange's movements in the stock's ledger."""
_ROUNDING_PER_LINE = 2


@dataclass(frozen=True, slots=True)
class Replacement:
    """A variant as the order's channel sells it today; without a price it does not."""

    variant_id: UUID
    sku: str
    name: str
    tax_class: str
    price_minor: int | None


@dataclass(frozen=True, slots=True)
class Planned:
    """The order that replaces what comes back, and the units that stock is to be found for."""

    order: Order
    lines: tuple[OrderLine, ...]
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """The order that replaces what a return brings back, locked with its payments."""

    order: Order
    payments: tuple[Payment, ...]

    @property
    def due_minor(self) -> int:
        """What is still to be paid for it; nothing once it has ended."""
        if self.order.status is not OrderStatus.OPEN:
            return 0
        return settlement(self.order.cost_minor, self.payments)[1]


def wanted(line: ReturnLine) -> UUID | None:
    """Return the variant that shall come instead of a line's units: the same unless another was named."""
    return line.exchange_variant_id or line.variant_id


def gap_minor(found: Return, due_minor: int, gross_minor: int) -> int:
    """Return what is due beyond what was paid only because shares were rounded: nobody is asked for it.

    `gross_minor` is what came back before anything was kept of it: a fee is no rounding, be it that small.
    """
    gap = due_minor - gross_minor
    return gap if 0 < gap <= _ROUNDING_PER_LINE * len(found.lines) else 0


def plan(
    order: Order,
    order_lines: Sequence[OrderLine],
    found: Return,
    before: Mapping[UUID, int],
    offers: Mapping[UUID, Replacement],
    rules: PricingRules,
    now: datetime,
) -> Planned | None:
    """Return the order that replaces what a return asks for; None where something of it is not sold.

    `before` are the units of each order line that returns have brought back before: prices, discounts and
    taxes of the same article are the shares that these units were paid with. Delivery costs nothing.
    """
    by_id, counts = {line.id: line for line in order_lines}, dict(before)
    lines: list[OrderLine] = []
    priced: list[PricedLine] = []
    for at, one in enumerate(found.lines):
        sold, variant_id = by_id[one.order_line_id], wanted(one)
        offer = None if variant_id is None else offers.get(variant_id)
        if offer is None:
            return None
        line = OrderLine(new_id(), offer.variant_id, offer.sku, offer.name, one.quantity, 0, at)
        if offer.variant_id == sold.variant_id:
            done = counts.get(sold.id, 0)
            lines.append(_same(line, sold, done))
            counts[sold.id] = done + one.quantity
            continue
        if offer.price_minor is None or rules.tax_source is TaxSource.SERVICE:
            return None
        line = replace(line, unit_price_minor=offer.price_minor)
        lines.append(line)
        priced.append(PricedLine(line.id, line.sku, line.quantity, offer.price_minor, offer.tax_class))
    today = replace(rules, discounts=(), prices_include_tax=order.tax_included)
    costs = price(priced, 0, today, currency=order.currency, address=order.shipping_address, now=now)
    others = {one.id for one in priced}
    lines = [
        replace(line, tax_minor=costs.part_of(line.id).tax_minor) if line.id in others else line
        for line in lines
    ]
    needs = tuple(
        Need(line.id, line.variant_id, line.sku, line.quantity, ("id",))
        for line in lines
        if line.variant_id is not None
    )
    return Planned(_order(order, lines, now), tuple(lines), needs)


def _same(line: OrderLine, sold: OrderLine, done: int) -> OrderLine:
    """Return a line with the price, discount and tax of the units of another that come after `done`."""

    def share(amount_minor: int) -> int:
        upto = rounded_half_up(amount_minor * (done + line.quantity), sold.quantity)
        return upto - rounded_half_up(amount_minor * done, sold.quantity)

    return replace(
        line,
        unit_price_minor=sold.unit_price_minor,
        discount_minor=share(sold.discount_minor),
        tax_minor=share(sold.tax_minor),
    )


def _order(of: Order, lines: Sequence[OrderLine], now: datetime) -> Order:
    subtotal = sum(line.total_minor for line in lines)
    discount = sum(line.discount_minor for line in lines)
    tax = sum(line.tax_minor for line in lines)
    return Order(
        id=new_id(),
        number="",
        channel_id=of.channel_id,
        status=OrderStatus.OPEN,
        payment_status=OrderPaymentStatus.PENDING,
        fulfillment_status=OrderFulfillmentStatus.UNFULFILLED,
        version=1,
        token_generation=1,
        email=of.email,
        currency=of.currency,
        shipping_address=of.shipping_address,
        billing_address=of.billing_address,
        delivery=of.delivery,
        subtotal_minor=subtotal,
        shipping_minor=0,
        tax_minor=tax,
        discount_minor=discount,
        total_minor=subtotal - discount + (0 if of.tax_included else tax),
        placed_at=now,
        tax_included=of.tax_included,
    )
