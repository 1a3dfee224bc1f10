"""Fulfillment orders and shipments: their statuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
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


class ShipmentStatus(StrEnum):
    """Where a parcel is."""

    LABEL_CREATED = "LABEL_CREATED"
    PRE_TRANSIT = "PRE_TRANSIT"
    IN_TRANSIT = "IN_TRANSIT"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    AVAILABLE_FOR_PICKUP = "AVAILABLE_FOR_PICKUP"
    DELIVERED = "DELIVERED"
    FAILED_ATTEMPT = "FAILED_ATTEMPT"
    EXCEPTION = "EXCEPTION"
    RETURN_TO_SENDER = "RETURN_TO_SENDER"
    CANCELED = "CANCELED"


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

    @property
    def lacks_units(self) -> bool:
        """Whether units to be sent were lost: then it is on hold (INVENTORY_OUT_OF_STOCK)."""
        return any(line.quantity_short for line in self.lines)


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    """Units of one SKU in a parcel."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """One parcel on its way."""

    id: UUID
    order_id: UUID
    status: ShipmentStatus
    carrier: str
    service: str | None
    tracking_number: str | None
    tracking_url: str | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    lines: tuple[ShipmentLine, ...] = ()


def shipment_told(facts: Mapping[str, Any]) -> UUID | None:
    """Return the parcel that an event of an order tells of, if it does: such events name it by shipmentId."""
    named = facts.get("shipmentId")
    return None if named is None else UUID(named)
