"""What comes back for returned units: exact to the minor unit over all returns of an order.

Amounts are in minor units of the order's currency. Each share is counted from the first unit of its line,
as parcels are (`domain/shipment_worth.py`): whatever is returned in whatever steps sums to what was paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.kernel.money import rounded_half_up
from domain.orders import Order, OrderLine
from domain.return_policies import SHOP_DEFAULT, WHOLE, LabelPayer, ReturnPolicy, ShippingRefund
from domain.returns import SHOPS_FAULT, Return, ReturnLine
from domain.shipment_worth import worth_of_units


@dataclass(frozen=True, slots=True)
class LineWorth:
    """What one line of a return brings: `goods_minor` less `fee_minor` (grades and restocking)."""

    line_id: UUID
    goods_minor: int
    fee_minor: int

    @property
    def refund_minor(self) -> int:
        """What is given back for it."""
        return self.goods_minor - self.fee_minor


@dataclass(frozen=True, slots=True)
class Worth:
    """What a return brings, part by part."""

    lines: tuple[LineWorth, ...]
    shipping_minor: int
    """Of the delivery that was paid."""
    label_fee_minor: int
    """What is kept of the whole: its label, and what staff deduct beyond its lines."""

    @property
    def gross_minor(self) -> int:
        """What was paid for what came back: its lines and the delivery, before anything is kept."""
        return sum(one.goods_minor for one in self.lines) + self.shipping_minor

    @property
    def fee_minor(self) -> int:
        """What is kept of it."""
        return self.label_fee_minor + sum(one.fee_minor for one in self.lines)

    @property
    def refund_minor(self) -> int:
        """What is given back; a label never costs more than what is returned."""
        goods = sum(one.refund_minor for one in self.lines)
        return goods + self.shipping_minor - self.label_fee_minor

    @property
    def kept_minor(self) -> int:
        """What is given back where the customer keeps it: nothing is sent or restocked, so no fee is due."""
        return self.refund_minor + self.fee_minor


def worth_of(
    order: Order,
    order_lines: Sequence[OrderLine],
    found: Return,
    before: Mapping[UUID, int],
    faults_before: Mapping[UUID, int],
    shipping_before_minor: int,
    policies: Mapping[UUID, ReturnPolicy],
    *,
    as_asked: bool = False,
) -> Worth:
    """Return what a return brings by what was found in it, or (`as_asked`) by what was asked for.

    `before` are the units of each order line that returns have brought back before, `faults_before` those of
    them that the shop was at fault with, `shipping_before_minor` the delivery given back with them, and
    `policies` each order line's.
    """
    by_id = {line.id: line for line in order_lines}
    counts, faults = dict(before), dict(faults_before)
    lines, at_fault = [], False
    for line in found.lines:
        sold = by_id[line.order_line_id]
        whole = as_asked or found.keeps_items
        units = line.quantity if whole else line.quantity_taken
        done = counts.get(sold.id, 0)
        goods = _first(order, sold, done + units) - _first(order, sold, done)
        counts[sold.id] = done + units
        fault = line.reason in SHOPS_FAULT
        if fault and units:
            at_fault = True
            faults[sold.id] = faults.get(sold.id, 0) + units
        policy = policies.get(sold.id, SHOP_DEFAULT)
        fee = 0 if fault or found.keeps_items else _fee(policy, line, units, goods, graded=not whole)
        lines.append(LineWorth(line.id, goods, fee))
    shipping = _shipping(
        order, order_lines, counts, faults if at_fault else {}, shipping_before_minor, policies
    )
    brings = sum(one.refund_minor for one in lines) + shipping
    label = 0 if at_fault or found.keeps_items else min(brings, _label_fee(found, policies))
    return Worth(tuple(lines), shipping, label)


def _first(order: Order, line: OrderLine, units: int) -> int:
    """Return what the first `units` of a line were paid: of more than there are, what all were paid."""
    return worth_of_units(order, line, min(units, line.quantity))


def shipping_paid_minor(order: Order, order_lines: Sequence[OrderLine]) -> int:
    """Return what was paid for the delivery, with its tax and without its discount."""
    return order.total_minor - sum(worth_of_units(order, line, line.quantity) for line in order_lines)


def _fee(policy: ReturnPolicy, line: ReturnLine, units: int, goods_minor: int, *, graded: bool) -> int:
    """Return what is kept of a line: what its grades are worth less, and of the rest the restocking fee."""
    if not units:
        return 0
    kept = goods_minor
    if graded:
        parts = sum(one.quantity * policy.grades.get(one.grade, 0) for one in line.inspections if one.is_ours)
        kept = rounded_half_up(goods_minor * parts, units * WHOLE)
    restocking = rounded_half_up(kept * policy.restocking_fee, WHOLE)
    return goods_minor - kept + restocking


def _shipping(
    order: Order,
    order_lines: Sequence[OrderLine],
    counts: Mapping[UUID, int],
    faults: Mapping[UUID, int],
    before_minor: int,
    policies: Mapping[UUID, ReturnPolicy],
) -> int:
    """Return what of the delivery is given back; of what the shop is at fault with (`faults`), its share."""
    paid = shipping_paid_minor(order, order_lines)
    rules = {policies.get(line.id, SHOP_DEFAULT).shipping_refund for line in order_lines}
    all_back = all(counts.get(line.id, 0) >= line.quantity for line in order_lines)
    all_at_fault = all(faults.get(line.id, 0) >= line.quantity for line in order_lines)
    if all_at_fault or (all_back and ShippingRefund.NEVER not in rules):
        return max(0, paid - before_minor)
    shared = counts if rules == {ShippingRefund.PROPORTIONAL} else faults
    whole = sum(worth_of_units(order, line, line.quantity) for line in order_lines)
    back = sum(
        worth_of_units(order, line, min(shared.get(line.id, 0), line.quantity)) for line in order_lines
    )
    due = rounded_half_up(paid * back, whole) if whole > 0 else 0
    return max(0, due - before_minor)


def _label_fee(found: Return, policies: Mapping[UUID, ReturnPolicy]) -> int:
    fees = [
        policy.label_fee_minor
        for line in found.lines
        if (policy := policies.get(line.order_line_id, SHOP_DEFAULT)).label_payer is LabelPayer.CUSTOMER
    ]
    return max(fees, default=0)
