"""Edits of open orders: other quantities and further goods, what that costs, and which stock it moves.

What was sold keeps its price: units that go take their share of their line's discount and tax with them
(largest remainder), units that come are priced without a discount and taxed as today. Delivery stays as it
was. Amounts are in minor units of the order's currency.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.carts import MAX_LINES
from domain.channels import CapturePolicy
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderStatus, FulfillmentWork
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.money import MAX_AMOUNT_MINOR, allocate_minor
from domain.kernel.quantities import MAX_QUANTITY, require_positive
from domain.orders import Order, OrderLine, OrderStatus, gifts_minor, given_back_minor
from domain.payments import Payment, PaymentStatus
from domain.pricing import Adjustment, AdjustmentKind, PricedLine, PricingRules, price
from domain.shipments import ShipmentStatus
from domain.taxes import TaxSource

FREE = frozenset(
    {FulfillmentOrderStatus.SCHEDULED, FulfillmentOrderStatus.OPEN, FulfillmentOrderStatus.ON_HOLD}
)
"""Parts of an order that nobody has begun to pick, unless their work says so (`is_free`)."""


def is_free(part: FulfillmentOrder) -> bool:
    """Say whether nobody has begun to pick a part; one on hold may have been picked before."""
    return part.status in FREE and part.work is FulfillmentWork.ALLOCATED


@dataclass(frozen=True, slots=True)
class NewQuantity:
    """How many units of a line there shall be; none removes it."""

    line_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Goods:
    """What shall be added: a variant as the channel sells it today, or at a price that staff have set."""

    variant_id: UUID
    sku: str
    name: str
    unit_price_minor: int
    tax_class: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Placed:
    """An order as it is before an edit. `tax_classes` are those its variants have today, by variant."""

    order: Order
    lines: tuple[OrderLine, ...]
    parts: tuple[FulfillmentOrder, ...]
    adjustments: tuple[Adjustment, ...]
    payments: tuple[Payment, ...]
    rules: PricingRules
    tax_classes: Mapping[UUID, str]
    parcels: tuple[ShipmentStatus, ...] = ()
    capture_policy: CapturePolicy = CapturePolicy.MANUAL
    told_of: Set[UUID] = frozenset()
    """Lines that parcels, claims, or returns that nobody declined or gave up name: they stay."""


@dataclass(frozen=True, slots=True)
class Need:
    """Units of a line that stock has to be found for; `path` is the input field that asks for them."""

    line_id: UUID
    variant_id: UUID
    sku: str
    quantity: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """An order as an edit makes it.

    `gone` are the lines that are no more, `taken` is how many units each line gives up.
    """

    order: Order
    lines: tuple[OrderLine, ...]
    adjustments: tuple[Adjustment, ...]
    gone: tuple[UUID, ...]
    taken: Mapping[UUID, int]
    needs: tuple[Need, ...]
    difference_minor: int
    refund_minor: int
    """What was captured beyond what the order now costs."""
    due_minor: int
    """What the order now costs beyond what is authorized, or agreed to be paid later."""


def plan(placed: Placed, quantities: Sequence[NewQuantity], goods: Sequence[Goods], now: datetime) -> Edit:
    """Return what an order becomes; nothing is looked up and nothing written.

    Raises IllegalTransition for an order that is not open, and InvalidInput naming the field: a line twice
    or of another order, fewer units than are shipped or being picked, nothing changed, nothing left.
    """
    _check_editable(placed)
    wanted = _wanted(placed, quantities)
    included = placed.order.tax_included
    kept = [_shrunk(line, wanted.get(line.id, line.quantity), included=included) for line in placed.lines]
    extra = _extra(placed, quantities, wanted) + _new_lines(placed, goods)
    if extra and placed.rules.tax_source is TaxSource.SERVICE:
        path = ("add",) if goods else extra[0].need.path
        raise InvalidInput("taxes come from a tax service here: sell more with another order", *path)
    if not extra and kept == list(placed.lines):
        raise InvalidInput("nothing is changed", "lines")
    priced = price(
        [one.priced for one in extra],
        0,
        replace(placed.rules, discounts=(), prices_include_tax=placed.order.tax_included),
        currency=placed.order.currency,
        address=placed.order.shipping_address,
        now=now,
    )
    taxes = {one.line.id: priced.part_of(one.line.id).tax_minor for one in extra}
    lines = _with_extra(kept, extra, taxes)
    if not lines:
        raise InvalidInput("nothing would be left of the order: cancel it", "lines")
    if len(lines) > max(MAX_LINES, len(placed.lines)):
        raise InvalidInput(f"an order has at most {MAX_LINES} lines", "add")
    adjustments = _adjustments(placed, kept) + list(priced.adjustments)
    order = replace(_order(placed, lines), gifts_minor=gifts_minor(placed.order, placed.payments))
    if max(order.subtotal_minor, order.total_minor) > max(MAX_AMOUNT_MINOR, placed.order.total_minor):
        raise InvalidInput("the order's total would be too large", "add" if goods else "lines")
    paid = settlement(order.cost_minor, placed.payments)
    left = {line.id for line in lines}
    return Edit(
        order,
        tuple(lines),
        tuple(one for one in _merged(adjustments) if one.line_id is None or one.line_id in left),
        tuple(line.id for line in placed.lines if line.id not in left),
        {
            line.id: line.quantity - after.quantity
            for line, after in zip(placed.lines, kept, strict=True)
            if after.quantity < line.quantity
        },
        tuple(one.need for one in extra),
        order.total_minor - placed.order.total_minor,
        *paid,
    )


def settlement(total_minor: int, payments: Sequence[Payment]) -> tuple[int, int]:
    """Return what is to be refunded of, and what is still due for, an order of this total (or cost).

    What is only authorized is not given back: less of it will be captured.
    """
    live = [payment for payment in payments if payment.counts]
    kept = sum(one.captured_minor + one.capturing_minor for one in live)
    back = given_back_minor(live)
    covered = sum(_covers(one) for one in live) - back
    return max(0, kept - back - total_minor), max(0, total_minor - covered)


def untaken_minor(total_minor: int, payments: Sequence[Payment]) -> int:
    """Return what an order costs beyond what is taken of it, or being taken, and not given back."""
    live = [payment for payment in payments if payment.counts]
    kept = sum(one.captured_minor + one.capturing_minor for one in live)
    back = given_back_minor(live)
    return max(0, total_minor - kept + back)


def is_paid_for(total_minor: int, payments: Sequence[Payment], *, later: bool) -> bool:
    """Say whether an order's money is there: taken, or reserved, and not given back.

    With `later` what is agreed to be paid later is as good. What a provider has not decided yet is not.
    """
    live = [payment for payment in payments if payment.counts]
    there = sum(_is_there(one, later=later) for one in live)
    back = given_back_minor(live)
    return there - back >= total_minor


def _is_there(payment: Payment, *, later: bool) -> int:
    # A provider that has agreed to be paid later has given the payment its name.
    agreed = later and payment.reference is not None
    return _covers(payment) if agreed or payment.status is not PaymentStatus.PENDING else _taken(payment)


def _covers(payment: Payment) -> int:
    # What is paid later is agreed on as a whole; nothing of it is authorized.
    return payment.amount_minor if payment.status is PaymentStatus.PENDING else _taken(payment)


def _taken(payment: Payment) -> int:
    return max(payment.authorized_minor - payment.voiding_minor, payment.captured_minor)


@dataclass(frozen=True, slots=True)
class _Extra:
    """Units that come: priced by themselves, then joined with their line."""

    line: OrderLine
    priced: PricedLine
    need: Need


def _check_editable(placed: Placed) -> None:
    order = placed.order
    if order.status is not OrderStatus.OPEN:
        raise IllegalTransition(
            "only open orders are edited", order.status.value, [OrderStatus.OPEN.value], "id"
        )
    if order.imported or any(line.variant_id is None for line in placed.lines):
        raise IllegalTransition("the order was imported: it is history", order.status.value, (), "id")


def _wanted(placed: Placed, quantities: Sequence[NewQuantity]) -> dict[UUID, int]:
    by_id = {line.id: line for line in placed.lines}
    wanted: dict[UUID, int] = {}
    for at, one in enumerate(quantities):
        line = by_id.get(one.line_id)
        if line is None or one.line_id in wanted:
            known = "is named twice" if line else "is no line of this order"
            raise InvalidInput(known, "lines", str(at), "lineId")
        if not 0 <= one.quantity <= MAX_QUANTITY:
            raise InvalidInput(f"must be between 0 and {MAX_QUANTITY}", "lines", str(at), "quantity")
        fewest = line.quantity - _free_units(placed.parts, line.id)
        if one.quantity < fewest:
            raise InvalidInput(
                f"{fewest} of its units are shipped or being picked", "lines", str(at), "quantity"
            )
        if not one.quantity and line.id in placed.told_of:
            raise InvalidInput(
                "a parcel, a return or a claim is of it: it stays", "lines", str(at), "quantity"
            )
        wanted[one.line_id] = one.quantity
    return wanted


def _free_units(parts: Sequence[FulfillmentOrder], line_id: UUID) -> int:
    return sum(
        line.quantity - line.quantity_shipped
        for part in parts
        if is_free(part)
        for line in part.lines
        if line.order_line_id == line_id
    )


def _shrunk(line: OrderLine, quantity: int, *, included: bool) -> OrderLine:
    """Return a line with no more than its units, and its share of discount and tax.

    Of a few cents both may be rounded up: tax that is `included` in a price is never more than that.
    """
    if quantity >= line.quantity:
        return line
    shares = [quantity, line.quantity - quantity]
    discount = allocate_minor(line.discount_minor, shares)[0]
    tax = allocate_minor(line.tax_minor, shares)[0]
    if included:
        tax = min(tax, quantity * line.unit_price_minor - discount)
    return replace(line, quantity=quantity, discount_minor=discount, tax_minor=tax)


def _extra(placed: Placed, quantities: Sequence[NewQuantity], wanted: Mapping[UUID, int]) -> list[_Extra]:
    at_of = {one.line_id: at for at, one in enumerate(quantities)}
    found: list[_Extra] = []
    for line in placed.lines:
        more = wanted.get(line.id, line.quantity) - line.quantity
        if more > 0 and line.variant_id is not None:
            path = ("lines", str(at_of[line.id]), "quantity")
            tax_class = placed.tax_classes[line.variant_id]
            found.append(_come(line, line.variant_id, tax_class, more, path))
    return found


def _new_lines(placed: Placed, goods: Sequence[Goods]) -> list[_Extra]:
    first = max((line.position for line in placed.lines), default=-1) + 1
    found: list[_Extra] = []
    for at, one in enumerate(goods):
        require_positive(one.quantity, "add", str(at), "quantity")
        line = OrderLine(new_id(), one.variant_id, one.sku, one.name, 0, one.unit_price_minor, first + at)
        found.append(_come(line, one.variant_id, one.tax_class, one.quantity, ("add", str(at), "quantity")))
    return found


def _come(line: OrderLine, variant_id: UUID, tax_class: str, units: int, path: tuple[str, ...]) -> _Extra:
    return _Extra(
        line,
        PricedLine(line.id, line.sku, units, line.unit_price_minor, tax_class),
        Need(line.id, variant_id, line.sku, units, path),
    )


def _with_extra(
    kept: Sequence[OrderLine], extra: Sequence[_Extra], taxes: Mapping[UUID, int]
) -> list[OrderLine]:
    lines = {line.id: line for line in kept}
    for one in extra:
        line = lines.get(one.line.id, one.line)
        lines[line.id] = replace(
            line, quantity=line.quantity + one.need.quantity, tax_minor=line.tax_minor + taxes[line.id]
        )
    return [line for line in lines.values() if line.quantity]


def _order(placed: Placed, lines: Sequence[OrderLine]) -> Order:
    order = placed.order
    subtotal = sum(line.total_minor for line in lines)
    # What is not of a line is of the delivery, which stays.
    discount = order.discount_minor + sum(one.discount_minor for one in lines)
    discount -= sum(one.discount_minor for one in placed.lines)
    tax = order.tax_minor + sum(one.tax_minor for one in lines)
    tax -= sum(one.tax_minor for one in placed.lines)
    total = subtotal + order.shipping_minor - discount + (0 if order.tax_included else tax)
    return replace(
        order,
        subtotal_minor=subtotal,
        discount_minor=discount,
        tax_minor=tax,
        total_minor=total,
        version=order.version + 1,
    )


def _adjustments(placed: Placed, kept: Sequence[OrderLine]) -> list[Adjustment]:
    """Return why the lines that stay cost what they do: each reason with its share of what is left of it."""
    left = {line.id: line for line in kept}
    found = [one for one in placed.adjustments if one.line_id is None]
    for line in placed.lines:
        for kind, amount in (
            (AdjustmentKind.DISCOUNT, left[line.id].discount_minor),
            (AdjustmentKind.TAX, left[line.id].tax_minor),
        ):
            of_line = [
                one for one in placed.adjustments if one.line_id == line.id and one.source.kind is kind
            ]
            if of_line:
                shares = allocate_minor(amount, [one.amount_minor for one in of_line])
                found += [
                    one._replace(amount_minor=share) for one, share in zip(of_line, shares, strict=True)
                ]
    return found


def _merged(adjustments: Sequence[Adjustment]) -> list[Adjustment]:
    """Put what one source does to one line together, discounts first."""
    sums: dict[tuple[object, UUID | None], Adjustment] = {}
    for one in adjustments:
        known = sums.get((one.source, one.line_id))
        amount = one.amount_minor + (known.amount_minor if known else 0)
        sums[one.source, one.line_id] = one._replace(amount_minor=amount)
    found = [one for one in sums.values() if one.amount_minor]
    return sorted(found, key=lambda one: one.source.kind is AdjustmentKind.TAX)
