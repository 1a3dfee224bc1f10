"""Labels of parcels: when one is asked for, under which key, and what its carrier's answer makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.kernel.errors import IllegalTransition
from domain.kernel.money import Money
from domain.orders import Order
from domain.shipments import LabelState, ParcelSize, ShipmentStatus

MOST_AT_ONCE = 100
"""Parcels whose labels one request may ask for, or have in one file."""

NEVER_ARRIVED_AFTER = timedelta(minutes=2)
"""How long after it was asked a carrier may still sell a label; one unknown by then is not coming."""

_LONGEST_PAUSE = timedelta(minutes=2)


class DocumentKind(StrEnum):
    """What a document of a parcel is for."""

    LABEL = "LABEL"
    PACKING_SLIP = "PACKING_SLIP"
    MANIFEST = "MANIFEST"


@dataclass(frozen=True, slots=True)
class LabelFailure:
    """Why a label was not bought: the carrier's word (or ours), and a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """What is known of buying one parcel's label.

    `generation` counts what was asked for anew after a refusal: each is bought under a key of its own.
    `requested_at` is when it was asked for, `next_attempt_at` when the carrier is asked next; None at once.
    `recipient` is where this parcel goes instead of the order's address.
    """

    shipment_id: UUID
    order_id: UUID
    status: ShipmentStatus
    state: LabelState
    version: int
    provider: str | None
    service: str | None
    service_code: str | None
    reference: str | None = None
    generation: int = 1
    attempts: int = 0
    requested_at: datetime | None = None
    next_attempt_at: datetime | None = None
    price: Money | None = None
    failure: LabelFailure | None = None
    recipient: Address | None = None
    size: ParcelSize = field(default_factory=ParcelSize)

    @property
    def key(self) -> str:
        """The idempotency key under which the carrier is asked: one per parcel and generation."""
        return f"{self.shipment_id}-{self.generation}"

    @property
    def to_void(self) -> bool:
        """Whether the parcel is not to be sent any more, and its label (if any) to be given back."""
        return self.status is ShipmentStatus.CANCELED


@dataclass(frozen=True, slots=True)
class Correction:
    """What staff change before a label is asked for again; None stays as it is."""

    provider: str | None = None
    service_code: str | None = None
    service: str | None = None
    recipient: Address | None = None
    size: ParcelSize | None = None


_ALLOWED: Mapping[LabelState, tuple[LabelState, ...]] = MappingProxyType(
    {
        LabelState.NONE: (LabelState.REQUESTED,),
        LabelState.REQUESTED: (LabelState.PURCHASED, LabelState.FAILED),
        LabelState.PURCHASED: (LabelState.VOIDED,),
        LabelState.FAILED: (LabelState.REQUESTED,),
        LabelState.VOIDED: (LabelState.REQUESTED,),
    }
)


def request(record: LabelRecord, correction: Correction, now: datetime) -> LabelRecord:
    """Return the record of a parcel whose label is to be bought, as corrected.

    One that is being bought is left as it is: asking twice is asking once. Raises IllegalTransition for a
    parcel that has its label, or has left.
    """
    if record.status is not ShipmentStatus.LABEL_PENDING:
        raise IllegalTransition(
            "only a parcel that waits for its label gets one", record.status.value, (), "id"
        )
    if record.state is LabelState.REQUESTED and correction == Correction():
        return record
    if LabelState.REQUESTED not in _ALLOWED[record.state]:
        allowed = tuple(state.value for state in _ALLOWED[record.state])
        raise IllegalTransition("its label is there, or on its way", record.state.value, allowed, "id")
    first = record.state is LabelState.NONE
    return replace(
        record,
        state=LabelState.REQUESTED,
        version=record.version + 1,
        provider=correction.provider or record.provider,
        service_code=correction.service_code or record.service_code,
        service=correction.service or record.service,
        recipient=correction.recipient or record.recipient,
        size=correction.size or record.size,
        generation=record.generation if first else record.generation + 1,
        attempts=0,
        requested_at=now,
        next_attempt_at=None,
        failure=None,
    )


def still_wanted(record: LabelRecord | None, asked: LabelRecord) -> bool:
    """Say whether an answer to what was asked still counts: nobody recorded one, or asked for another."""
    return (
        record is not None and record.state is LabelState.REQUESTED and record.generation == asked.generation
    )


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait before asking again: 1 s, 2 s, 4 s and so on, two minutes at most."""
    return min(timedelta(seconds=2.0 ** min(attempts, 16) / 2), _LONGEST_PAUSE)


def facts_of(order: Order, shipment_id: UUID, **further: Any) -> dict[str, Any]:
    """Return what every event of a parcel tells."""
    return {
        "number": order.number,
        "status": order.status.value,
        "shipmentId": str(shipment_id),
        **further,
    }
