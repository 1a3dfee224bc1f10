"""Manifests: the parcels that a carrier takes over together, with a list to be signed."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MAX_PARCELS = 200
"""Most parcels of one manifest; what is left goes on the next."""
NONE_WAITS = (
    "no parcel with a label waits there for this carrier and provider: buy the labels first; what was handed "
    "over, or is on a manifest, needs none (manifests lists those)"
)
"""What is told where there is nothing to list."""


class ManifestStatus(StrEnum):
    """Whether its parcels are still here."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class CarrierClosing(StrEnum):
    """What became of telling the carrier which parcels it takes over."""

    NONE = "NONE"
    """It does not want to be told."""
    REQUESTED = "REQUESTED"
    DONE = "DONE"
    FAILED = "FAILED"


TRANSITIONS: Mapping[ManifestStatus, Set[ManifestStatus]] = {ManifestStatus.OPEN: {ManifestStatus.CLOSED}}


@dataclass(frozen=True, slots=True)
class ManifestParcel:
    """A parcel of a manifest; `error` is why it could not be handed over, None while or when it can."""

    shipment_id: UUID
    order_id: UUID
    order_number: str
    tracking_number: str | None
    provider_reference: str | None
    destination: str
    units: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Parcels of one location that one carrier takes; `provider` is the port it is asked through, if any."""

    id: UUID
    location_id: UUID
    carrier: str
    provider: str | None
    status: ManifestStatus
    version: int
    created_at: datetime
    closed_at: datetime | None
    closing: CarrierClosing
    reference: str | None
    """The carrier's own name of it."""
    message: str | None
    """Why the carrier refused it."""
    parcels: tuple[ManifestParcel, ...] = ()
    document_id: UUID | None = None
    """The carrier's own list of it, where it gave one."""


@dataclass(frozen=True, slots=True)
class ManifestFilter:
    """Which manifests are listed; None: whichever. They were created in [created_from, created_before)."""

    carrier: str | None = None
    statuses: tuple[ManifestStatus, ...] | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
