"""What carriers told and could not be applied: why it was set aside, and how long it is tried before."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.shipments import ShipmentStatus
from domain.tracking import FactState

MOST_FAILURES = 8
"""Errors of our own after which an event is set aside: with the pauses between them, after 21 minutes."""
LONGEST_ERROR = 500

CARRIER_EVENT_TRANSITIONS: Mapping[FactState, Set[FactState]] = {
    FactState.RECEIVED: {FactState.APPLIED, FactState.SET_ASIDE},
    FactState.SET_ASIDE: {FactState.RECEIVED, FactState.APPLIED, FactState.DISMISSED},
}
"""What may become of something that a carrier told."""

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(minutes=5)


class SetAsideReason(StrEnum):
    """Why something that was told of a parcel waits for a person."""

    UNKNOWN_PARCEL = "UNKNOWN_PARCEL"
    """No parcel has the number that it names."""
    CANCELED_PARCEL = "CANCELED_PARCEL"
    DOES_NOT_FIT = "DOES_NOT_FIT"
    """The parcel could not have moved, as when its order is on hold."""
    FAILED = "FAILED"
    """Applying it failed again and again, by an error of our own."""


@dataclass(frozen=True, slots=True)
class CarrierEvent:
    """One event as a carrier told it, and what became of it; `error` says more of the reason."""

    id: UUID
    provider: str
    event_id: str
    reference: str | None
    tracking_number: str | None
    shipment_id: UUID | None
    status: ShipmentStatus
    code: str | None
    description: str | None
    place: str | None
    occurred_at: datetime
    received_at: datetime
    state: FactState
    reason: SetAsideReason | None = None
    error: str | None = None
    failures: int = 0
    note: str | None = None
    dismissed_at: datetime | None = None


def look_again(received_at: datetime, now: datetime) -> datetime:
    """Return when what does not fit yet is looked at again: soon while it is new, then more rarely."""
    return now + min(max(_FIRST_PAUSE, (now - received_at) / 4), _LONGEST_PAUSE)


def pause_after_failures(failures: int) -> timedelta:
    """Return how long an event that failed so often in a row is left alone: 10 s, doubled each time."""
    return _FIRST_PAUSE * (1 << (failures - 1))
