"""What parcels are worth, so that each takes its money: exact to the minor unit over all of them."""

from collections.abc import Sequence

from domain.kernel.money import rounded_half_up
from domain.orders import Order, OrderFulfillmentStatus, OrderLine, to_retake_minor
from domain.payments import Payment


def to_capture_minor(order: Order, lines: Sequence[OrderLine], payments: Sequence[Payment]) -> int:
    """Return what all that has left is worth beyond what was taken of the order's money before.

    Each line's share is counted from its first unit (its price, less its share of the discount, with that of
    the tax, halves rounded up), so that the shares of all its parcels sum to the line exactly. The delivery
    goes with the first parcel, and with the last of all the order is paid in full. What an edit has given
    back is not taken any more.
    """
    taken = sum(one.captured_minor + one.capturing_minor for one in payments if one.counts)
    return max(0, left_worth_minor(order, lines) - taken + to_retake_minor(order, payments))


def left_worth_minor(order: Order, lines: Sequence[OrderLine]) -> int:
    """Return what the units that have left are worth, the delivery with them."""
    if order.fulfillment_status in {OrderFulfillmentStatus.FULFILLED, OrderFulfillmentStatus.DELIVERED}:
        return order.total_minor
    if not any(line.quantity_shipped for line in lines):
        return 0
    whole = sum(worth_of_units(order, line, line.quantity) for line in lines)
    shipped = sum(worth_of_units(order, line, line.quantity_shipped) for line in lines)
    return min(order.total_minor, shipped + order.total_minor - whole)


def worth_of_units(order: Order, line: OrderLine, units: int) -> int:
    """Return what the first `units` of a line were paid: less their discount, and with their tax."""
    worth = line.unit_price_minor * units - rounded_half_up(line.discount_minor * units, line.quantity)
    return worth if order.tax_included else worth + rounded_half_up(line.tax_minor * units, line.quantity)
