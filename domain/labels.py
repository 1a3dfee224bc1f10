"""Labels of parcels: when one may be asked for, and what its carrier's answer makes of the parcel.

A label is bought like a payment is taken: the intent is a parcel whose `label_state` is REQUESTED, the call
carries a key made from the parcel's id, the outcome is a transaction of its own.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.addresses import Address
from domain.carrier_ports import CustomsLine, Label, LabelFormat, LabelRequest
from domain.kernel.errors import IllegalTransition, InvalidInput, LabelRefused
from domain.kernel.money import Money
from domain.parcels import url_of
from domain.shipments import LabelState, ParcelSize, Shipment, ShipmentStatus

MOST_AT_ONCE = 100
"""Parcels whose labels one request may ask for, or have in one file."""

NEVER_ARRIVED_AFTER = timedelta(minutes=2)
"""How long after it was asked a carrier may still sell a label; one unknown by then is not coming."""

_LONGEST_PAUSE = timedelta(seconds=15)


class DocumentKind(StrEnum):
    """What a document of a parcel is for."""

    LABEL = "LABEL"
    PACKING_SLIP = "PACKING_SLIP"
    MANIFEST = "MANIFEST"


@dataclass(frozen=True, slots=True)
class LabelAsk:
    """One label to be bought, or to be given back, as it is leased to whoever asks the carrier.

    `attempts` counts this one. The sender is None where the location has no address, the service where
    nobody said one.
    """

    shipment_id: UUID
    order_id: UUID
    order_number: str
    generation: int
    attempts: int
    requested_at: datetime
    provider: str | None
    state: LabelState
    canceled: bool
    reference: str | None
    service_code: str | None
    sender: Address | None
    recipient: Address
    size: ParcelSize
    contents: tuple[CustomsLine, ...]

    @property
    def key(self) -> str:
        """The idempotency key: one per parcel, and anew for what is asked after a refusal."""
        return f"{self.shipment_id}-{self.generation}"

    @property
    def was_asked_before(self) -> bool:
        """Whether the carrier may know of it."""
        return self.attempts > 1

    def request(self) -> LabelRequest:
        """Return what the carrier is asked; raises LabelRefused where we do not know enough to ask."""
        if self.sender is None:
            raise LabelRefused("sender_address_missing", "the location that sends it has no address")
        if self.service_code is None:
            raise LabelRefused("service_missing", "nobody said by which of the carrier's services it goes")
        return LabelRequest(
            self.sender,
            self.recipient,
            replace(self.size, weight_grams=self.size.weight_grams or _weight_of(self.contents)),
            self.service_code,
            f"#{self.order_number}",
            self.contents,
        )


@dataclass(frozen=True, slots=True)
class Correction:
    """What staff change before a label is asked for again; None stays as it is."""

    provider: str | None = None
    carrier: str | None = None
    service: str | None = None
    service_code: str | None = None
    recipient: Address | None = None
    size: ParcelSize | None = None


class LabelOutcome(StrEnum):
    """What became of a label that was asked for."""

    PURCHASED = "PURCHASED"
    PENDING = "PENDING"
    """It is being bought, or its carrier has not answered yet: it comes by itself, and once."""
    REFUSED = "REFUSED"
    """The carrier does not sell it, or nobody asked one to."""
    VOIDED = "VOIDED"
    """It was given back with its canceled parcel."""

    @classmethod
    def of(cls, state: LabelState) -> "LabelOutcome":
        """Return what a label's state amounts to for whoever has asked for it."""
        return _OUTCOMES[state]


_OUTCOMES = {
    LabelState.NONE: LabelOutcome.REFUSED,
    LabelState.REQUESTED: LabelOutcome.PENDING,
    LabelState.PURCHASED: LabelOutcome.PURCHASED,
    LabelState.FAILED: LabelOutcome.REFUSED,
    LabelState.VOIDED: LabelOutcome.VOIDED,
}


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """What staff see of a label: `refusal` is why it was not bought, the carrier's word and a sentence.

    `kept_at` is when the carrier did not take back the label of a canceled parcel.
    """

    state: LabelState
    attempts: int
    next_attempt_at: datetime | None
    price: Money | None
    refusal: tuple[str, str] | None
    kept_at: datetime | None
    document_id: UUID | None
    format: LabelFormat | None


def requested(shipment: Shipment, correction: Correction) -> Shipment:
    """Return a parcel whose label is to be bought, corrected; one whose label is being bought as it is.

    So is one that has its label, which a job may have bought before whoever asks. Raises IllegalTransition
    for correcting those, for a parcel that is canceled or got its number otherwise, and for one without a
    carrier.
    """
    had = shipment.label_state is LabelState.PURCHASED and shipment.status is not ShipmentStatus.CANCELED
    if (had or shipment.label_state is LabelState.REQUESTED) and correction == Correction():
        return shipment
    may_ask = shipment.label_state in {LabelState.NONE, LabelState.FAILED}
    if shipment.status is not ShipmentStatus.LABEL_PENDING or not may_ask:
        message = "its label is bought, or being bought, or it needs none: nothing of it is changed now"
        raise IllegalTransition(message, shipment.status.value, (), "id")
    provider = correction.provider or shipment.provider
    if provider is None:
        raise IllegalTransition("no carrier is named to buy it from", shipment.status.value, (), "provider")
    return replace(
        shipment,
        label_state=LabelState.REQUESTED,
        provider=provider,
        carrier=correction.carrier or shipment.carrier,
        service=correction.service or shipment.service,
        size=correction.size or shipment.size,
        version=shipment.version + 1,
    )


def purchased(shipment: Shipment, label: Label) -> Shipment:
    """Return a parcel whose label is there; a canceled one stays so, and its label is to be given back."""
    canceled = shipment.status is ShipmentStatus.CANCELED
    return replace(
        shipment,
        status=shipment.status if canceled else ShipmentStatus.LABEL_CREATED,
        label_state=LabelState.PURCHASED,
        tracking_number=label.tracking_number,
        tracking_url=followable(label.tracking_url),
        provider_reference=label.reference,
        estimated_at=label.estimated_at,
        version=shipment.version + 1,
    )


def followable(url: str | None) -> str | None:
    """Return a carrier's address if customers may follow it: what is not of the web is left out."""
    try:
        return url_of(url)
    except InvalidInput:
        return None


def failed(shipment: Shipment) -> Shipment:
    """Return a parcel whose label was refused: somebody has to correct it."""
    return replace(shipment, label_state=LabelState.FAILED, version=shipment.version + 1)


def given_back(shipment: Shipment) -> Shipment:
    """Return a canceled parcel whose label was given back, or never came to be."""
    return replace(shipment, label_state=LabelState.VOIDED, version=shipment.version + 1)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait before asking again: 0.5 s, 1 s, 2 s and so on, a quarter minute at most."""
    return min(timedelta(seconds=2.0 ** min(attempts, 16) / 4), _LONGEST_PAUSE)


def _weight_of(contents: tuple[CustomsLine, ...]) -> int | None:
    """Return what is in a parcel weighs; None unless every weight is known."""
    if any(line.weight_grams is None for line in contents):
        return None
    return sum((line.weight_grams or 0) * line.quantity for line in contents) or None
