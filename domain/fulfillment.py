"""Fulfillment orders and shipments: their statuses."""

from enum import StrEnum


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
