"""Parcels that were claimed as lost and arrive after all: a person sees to what their customer has twice."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from domain.claims import NOTHING_CLAIMED, Claim, ClaimKind
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition
from domain.kernel.quantities import require_text
from domain.returns import MAX_NOTE_LENGTH
from domain.shipments import Shipment, ShipmentStatus


class ClaimWork(StrEnum):
    """Why claims need a person."""

    TO_DECIDE = "TO_DECIDE"
    """They were judged, and not decided."""
    ARRIVED_AFTER_ALL = "ARRIVED_AFTER_ALL"
    """What was said to be lost is delivered, by its carrier's word, and nobody has seen to that."""


def dismissed(
    claim: Claim, parcel: Shipment, note: str | None, now: datetime, expected_version: int | None
) -> Claim | None:
    """Return a claim whose parcel's arrival a person has seen to; None where that was so already.

    Raises IllegalTransition where it has not arrived or was not claimed as lost, VersionConflict and
    InvalidInput.
    """
    arrived = parcel.status is ShipmentStatus.DELIVERED and claim.kind is ClaimKind.LOST_IN_TRANSIT
    if not arrived or claim.status in NOTHING_CLAIMED:
        raise IllegalTransition("no parcel of it has arrived after all", claim.status.value, (), "id")
    if claim.arrival_dismissed_at is not None:
        return None
    check_version(claim.version, expected_version)
    if note is not None:
        note = require_text(note, MAX_NOTE_LENGTH, "note")
    return replace(claim, arrival_dismissed_at=now, note=note or claim.note, version=claim.version + 1)
