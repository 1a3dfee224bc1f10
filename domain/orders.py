"""Orders: three status axes, of which payment and fulfilment are derived."""

from collections.abc import Mapping, Set
from enum import StrEnum


class OrderStatus(StrEnum):
    """Life of an order."""

    DRAFT = "DRAFT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class OrderPaymentStatus(StrEnum):
    """How much of the order is authorized, paid and refunded, over all its payments."""

    PENDING = "PENDING"
    PARTIALLY_AUTHORIZED = "PARTIALLY_AUTHORIZED"
    AUTHORIZED = "AUTHORIZED"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    OVERPAID = "OVERPAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"


class OrderFulfillmentStatus(StrEnum):
    """How far the order's units have come, over all its fulfillment orders."""

    UNFULFILLED = "UNFULFILLED"
    SCHEDULED = "SCHEDULED"
    ON_HOLD = "ON_HOLD"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIALLY_FULFILLED = "PARTIALLY_FULFILLED"
    FULFILLED = "FULFILLED"
    DELIVERED = "DELIVERED"


TRANSITIONS: Mapping[OrderStatus, Set[OrderStatus]] = {
    OrderStatus.DRAFT: {OrderStatus.PENDING_APPROVAL, OrderStatus.OPEN},
    OrderStatus.PENDING_APPROVAL: {OrderStatus.OPEN, OrderStatus.REJECTED, OrderStatus.EXPIRED},
    OrderStatus.OPEN: {OrderStatus.COMPLETED, OrderStatus.CANCELED},
}
