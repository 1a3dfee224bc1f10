"""The way of a parcel in the sandbox: what happens to it by itself, and what somebody lets happen."""

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from domain.addresses import Address
from domain.shipments import ShipmentStatus
from providers.carriers.sandbox_faults import CarrierFaults
from providers.carriers.sandbox_record import ParcelEvent

DESCRIPTIONS: Final = {
    ShipmentStatus.PRE_TRANSIT: "The carrier was told of the parcel",
    ShipmentStatus.IN_TRANSIT: "On its way",
    ShipmentStatus.OUT_FOR_DELIVERY: "Out for delivery",
    ShipmentStatus.AVAILABLE_FOR_PICKUP: "Waits to be collected",
    ShipmentStatus.DELIVERED: "Delivered",
    ShipmentStatus.FAILED_ATTEMPT: "Nobody was there to take it",
    ShipmentStatus.EXCEPTION: "Something went wrong on the way",
    ShipmentStatus.RETURN_TO_SENDER: "On its way back",
}
"""What can be told of a parcel, and what is said of it unless somebody says it otherwise."""


def planned(
    sender: Address, recipient: Address, days: int, day: timedelta, faults: CarrierFaults, now: datetime
) -> list[ParcelEvent]:
    """Return what will happen to a parcel that takes `days`, each as long as `day`."""
    whole, arrival = days * day, now + days * day
    return [
        _event(status, now + share * whole, place, arrival, faults)
        for status, share, place in (
            (ShipmentStatus.IN_TRANSIT, 0.2, sender.city),
            (ShipmentStatus.IN_TRANSIT, 0.6, recipient.city),
            (ShipmentStatus.OUT_FOR_DELIVERY, 0.9, recipient.city),
            (ShipmentStatus.DELIVERED, 1.0, recipient.city),
        )
    ]


def happening(
    status: ShipmentStatus,
    now: datetime,
    faults: CarrierFaults,
    *,
    place: str | None = None,
    description: str | None = None,
    estimated_at: datetime | None = None,
) -> ParcelEvent:
    """Return what happens to a parcel now; `status` is one of DESCRIPTIONS."""
    return _event(status, now, place, estimated_at, faults, description)


def _event(
    status: ShipmentStatus,
    at: datetime,
    place: str | None,
    estimated_at: datetime | None,
    faults: CarrierFaults,
    description: str | None = None,
) -> ParcelEvent:
    said = description or DESCRIPTIONS[status]
    due_at, deliveries = at + faults.delay(), faults.deliveries()
    return ParcelEvent(f"evt_{uuid4().hex}", status, said, place, at, estimated_at, due_at, deliveries)
