"""Shipments: one parcel each, from the moment it is packed until it is with the customer."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class ShipmentStatus(StrEnum):
    """Where a parcel is."""

    LABEL_PENDING = "LABEL_PENDING"
    """Packed; its label is not there yet."""
    LABEL_CREATED = "LABEL_CREATED"
    PRE_TRANSIT = "PRE_TRANSIT"
    """Handed over: its units have left our stock, the carrier has not told of it yet."""
    IN_TRANSIT = "IN_TRANSIT"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    AVAILABLE_FOR_PICKUP = "AVAILABLE_FOR_PICKUP"
    DELIVERED = "DELIVERED"
    FAILED_ATTEMPT = "FAILED_ATTEMPT"
    EXCEPTION = "EXCEPTION"
    RETURN_TO_SENDER = "RETURN_TO_SENDER"
    CANCELED = "CANCELED"


NOT_LEFT = frozenset({ShipmentStatus.LABEL_PENDING, ShipmentStatus.LABEL_CREATED})
"""A parcel whose units are still committed at its location; it can be canceled."""


ON_ITS_WAY = frozenset(
    {
        ShipmentStatus.IN_TRANSIT,
        ShipmentStatus.OUT_FOR_DELIVERY,
        ShipmentStatus.AVAILABLE_FOR_PICKUP,
        ShipmentStatus.FAILED_ATTEMPT,
        ShipmentStatus.EXCEPTION,
    }
)
"""Where a carrier may say that a parcel is, back and forth, until it has arrived or goes back."""

_ENDS = frozenset({ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER})

TRANSITIONS: Mapping[ShipmentStatus, Set[ShipmentStatus]] = {
    ShipmentStatus.LABEL_PENDING: {ShipmentStatus.LABEL_CREATED, ShipmentStatus.CANCELED},
    ShipmentStatus.LABEL_CREATED: {ShipmentStatus.PRE_TRANSIT, ShipmentStatus.CANCELED},
    ShipmentStatus.PRE_TRANSIT: ON_ITS_WAY | _ENDS,
    **{status: (ON_ITS_WAY - {status}) | _ENDS for status in ON_ITS_WAY},
    # A parcel that was to go back may still be handed out; one that is delivered never moves again.
    ShipmentStatus.RETURN_TO_SENDER: {ShipmentStatus.DELIVERED},
}
"""What may become of a parcel. Until it has left, people say so; from PRE_TRANSIT on its carrier does."""

PICKUP_TRANSITIONS: Mapping[ShipmentStatus, Set[ShipmentStatus]] = {
    ShipmentStatus.AVAILABLE_FOR_PICKUP: {ShipmentStatus.DELIVERED, ShipmentStatus.CANCELED},
}
"""What may become of what waits in our own store for its customer."""

RANKS: Mapping[ShipmentStatus, int] = {
    ShipmentStatus.LABEL_PENDING: 0,
    ShipmentStatus.LABEL_CREATED: 1,
    ShipmentStatus.PRE_TRANSIT: 2,
    ShipmentStatus.IN_TRANSIT: 3,
    ShipmentStatus.EXCEPTION: 4,
    ShipmentStatus.OUT_FOR_DELIVERY: 5,
    ShipmentStatus.FAILED_ATTEMPT: 6,
    ShipmentStatus.AVAILABLE_FOR_PICKUP: 7,
    ShipmentStatus.RETURN_TO_SENDER: 8,
    ShipmentStatus.DELIVERED: 9,
    ShipmentStatus.CANCELED: 10,
}
"""Which of two statuses told of the same moment is further on."""


class LabelState(StrEnum):
    """What became of buying the label of a parcel from its carrier.

    One that is REQUESTED or PURCHASED of a parcel that is CANCELED is to be given back: then it is VOIDED.
    """

    NONE = "NONE"
    """None is bought through us: a person typed the tracking number, or there is none."""
    REQUESTED = "REQUESTED"
    PURCHASED = "PURCHASED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"


@dataclass(frozen=True, slots=True)
class ParcelSize:
    """Outer measures of a parcel: grams and millimetres; None where nobody measured."""

    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    """Units of one SKU in a parcel."""

    sku: str
    quantity: int
    order_line_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Shipment:
    """One parcel on its way.

    `provider` names the carrier's port (None: nobody is asked about it), `provider_reference` its own name
    of the parcel. `promised_*` is what the customer was told, `estimated_at` what the carrier says now.
    """

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
    fulfillment_order_id: UUID | None = None
    location_id: UUID | None = None
    provider: str | None = None
    provider_reference: str | None = None
    label_state: LabelState = LabelState.NONE
    size: ParcelSize = ParcelSize()
    box: str | None = None
    promised_from: datetime | None = None
    promised_until: datetime | None = None
    estimated_at: datetime | None = None
    token_generation: int = 1
    version: int = 1
    position: str | None = None
    """The last place that was told of it."""
    told_at: datetime | None = None
    """When the last happened that was told of it."""
    late_told_for: datetime | None = None
    """The promise whose delay was told."""

    @property
    def waits_for_pickup(self) -> bool:
        """Whether its customer is to collect it where its units still are."""
        return self.status is ShipmentStatus.AVAILABLE_FOR_PICKUP and self.shipped_at is None

    @property
    def is_here(self) -> bool:
        """Whether its units are still committed at its location; then it can be canceled."""
        return self.status in NOT_LEFT or self.waits_for_pickup

    @property
    def has_left(self) -> bool:
        """Whether its units have left our stock."""
        return not self.is_here and self.status is not ShipmentStatus.CANCELED

    @property
    def transitions(self) -> Mapping[ShipmentStatus, Set[ShipmentStatus]]:
        """What may become of it: of a parcel that is collected here no carrier tells."""
        return PICKUP_TRANSITIONS if self.waits_for_pickup else TRANSITIONS


def shipment_told(facts: Mapping[str, Any]) -> UUID | None:
    """Return the parcel that an event of an order tells of, if it does: such events name it by shipmentId."""
    named = facts.get("shipmentId")
    return None if named is None else UUID(named)
