"""Events of an order's stream that tell of its parts and parcels; each names what it is of."""

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.kernel.events import Event
from domain.orders import Order
from domain.shipments import Shipment


def shipment_event(kind: str, order: Order, shipment: Shipment, now: datetime, **facts: Any) -> Event:
    """Return an event of the order's stream that tells of one of its parcels."""
    payload = {"number": order.number, "status": order.status.value, "shipmentId": str(shipment.id)}
    if shipment.fulfillment_order_id is not None:
        payload["fulfillmentOrderId"] = str(shipment.fulfillment_order_id)
    return Event(
        kind,
        "order",
        order.id,
        order.version,
        now,
        order.channel_id,
        {**payload, "carrier": shipment.carrier, **facts},
    )


def part_event(kind: str, order: Order, part_id: UUID, now: datetime, **facts: Any) -> Event:
    """Return an event of the order's stream that tells of one location's part of it."""
    payload = {"number": order.number, "status": order.status.value, "fulfillmentOrderId": str(part_id)}
    return Event(kind, "order", order.id, order.version, now, order.channel_id, {**payload, **facts})
