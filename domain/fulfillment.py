"""Fulfillment orders: what one location has to send of an order, and what keeps it from doing so."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class FulfillmentOrderStatus(StrEnum):
    """How far one location has come with its part of an order."""

    SCHEDULED = "SCHEDULED"
    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    ON_HOLD = "ON_HOLD"
    INCOMPLETE = "INCOMPLETE"
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[FulfillmentOrderStatus, Set[FulfillmentOrderStatus]] = {
    FulfillmentOrderStatus.SCHEDULED: {
        FulfillmentOrderStatus.OPEN,
        FulfillmentOrderStatus.ON_HOLD,
        FulfillmentOrderStatus.CANCELED,
    },
    FulfillmentOrderStatus.OPEN: {
        FulfillmentOrderStatus.SCHEDULED,
        FulfillmentOrderStatus.ON_HOLD,
        FulfillmentOrderStatus.IN_PROGRESS,
        FulfillmentOrderStatus.CLOSED,
        FulfillmentOrderStatus.CANCELED,
    },
    # Units that are lost put on hold what is being worked on, too.
    FulfillmentOrderStatus.IN_PROGRESS: {
        FulfillmentOrderStatus.ON_HOLD,
        FulfillmentOrderStatus.INCOMPLETE,
        FulfillmentOrderStatus.CLOSED,
        FulfillmentOrderStatus.CANCELED,
    },
    FulfillmentOrderStatus.ON_HOLD: {
        FulfillmentOrderStatus.SCHEDULED,
        FulfillmentOrderStatus.OPEN,
        FulfillmentOrderStatus.IN_PROGRESS,
        FulfillmentOrderStatus.INCOMPLETE,
        FulfillmentOrderStatus.CLOSED,
        FulfillmentOrderStatus.CANCELED,
    },
}
"""What may become of a location's part; CLOSED, INCOMPLETE and CANCELED are ends.

ON_HOLD becomes CLOSED where all that it still lacked is taken off it.
"""

WORKED_ON = frozenset({FulfillmentOrderStatus.OPEN, FulfillmentOrderStatus.IN_PROGRESS})
"""Parts that may be picked, packed and sent."""

LIVE = frozenset(TRANSITIONS)
"""Parts that may still have something to send."""


class FulfillmentWork(StrEnum):
    """How far the work inside a location has come, of one that is OPEN or IN_PROGRESS."""

    ALLOCATED = "ALLOCATED"
    PICKING = "PICKING"
    PICKED = "PICKED"
    PACKED = "PACKED"
    LABELED = "LABELED"


class DeliveryMethod(StrEnum):
    """How the units get to the customer."""

    SHIPPING = "SHIPPING"
    """A carrier brings them."""
    PICKUP = "PICKUP"
    """The customer collects them at the location."""


class HoldKind(StrEnum):
    """Why a fulfillment order must not be worked on yet."""

    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    HIGH_RISK_OF_FRAUD = "HIGH_RISK_OF_FRAUD"
    INCORRECT_ADDRESS = "INCORRECT_ADDRESS"
    # Never a row of its own: units were lost, and it ends when they are made good.
    INVENTORY_OUT_OF_STOCK = "INVENTORY_OUT_OF_STOCK"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class FulfillmentHold:
    """One thing that keeps a fulfillment order from being worked on.

    `of_review` holds go with the review of the order; `code` is what put it there, if no person did.
    """

    id: UUID
    kind: HoldKind
    of_review: bool = False
    code: str | None = None
    note: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FulfillmentOrderLine:
    """How many units of one order line a location has to send, and has sent.

    `quantity_short` of them are not committed: they were lost, and wait for stock.
    """

    id: UUID
    order_line_id: UUID
    variant_id: UUID
    sku: str
    quantity: int
    quantity_shipped: int = 0
    quantity_short: int = 0


@dataclass(frozen=True, slots=True)
class FulfillmentOrder:
    """One location's part of an order."""

    id: UUID
    order_id: UUID
    location_id: UUID
    status: FulfillmentOrderStatus
    lines: tuple[FulfillmentOrderLine, ...] = ()
    holds: tuple[FulfillmentHold, ...] = ()
    """The holds not released yet, but for what lacks_units says."""
    delivery_method: DeliveryMethod = DeliveryMethod.SHIPPING
    work: FulfillmentWork = FulfillmentWork.ALLOCATED
    scheduled_for: datetime | None = None
    """When a SCHEDULED one opens; None where it waits for stock instead."""
    promised_from: datetime | None = None
    promised_until: datetime | None = None
    """What the customer was told of the arrival, None where nothing."""
    version: int = 1

    @property
    def lacks_units(self) -> bool:
        """Whether units to be sent were lost: then it is on hold (INVENTORY_OUT_OF_STOCK)."""
        return any(line.quantity_short for line in self.lines)
