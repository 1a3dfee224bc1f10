"""Tracking: where a parcel is, by everything that was told of it.

The state of a parcel is made of the set of what was told, never of the order in which it came: carriers
repeat themselves, are late, and overtake themselves. So any order and repetition ends alike:

- Once told DELIVERED a parcel is delivered, since the first time that it was told for. It never moves back,
  even where it was told to be on its way back before: carriers correct themselves; the history shows both.
- Else, once told RETURN_TO_SENDER it goes back.
- Else it is where the latest said it was: by the carrier's own clock; of the same moment, what is further on.
- A label that was made or canceled is no movement. Neither is PRE_TRANSIT once anything else was told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.carrier_ports import TrackingUpdate
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.moments import in_utc
from domain.kernel.quantities import is_storable
from domain.shipments import ON_ITS_WAY, RANKS, Shipment, ShipmentStatus

SILENT_AFTER = timedelta(days=5)
"""A parcel under way of which nothing was told for so long needs a person."""

_LONGEST_TEXT = 255
# A token has two bytes for it.
_MOST_TOKENS = 2**16 - 1
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_ENDED = frozenset({ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER, ShipmentStatus.CANCELED})

EVENT_KINDS: Mapping[ShipmentStatus, str] = {
    ShipmentStatus.PRE_TRANSIT: "ShipmentInTransit",
    ShipmentStatus.IN_TRANSIT: "ShipmentInTransit",
    ShipmentStatus.OUT_FOR_DELIVERY: "ShipmentOutForDelivery",
    ShipmentStatus.AVAILABLE_FOR_PICKUP: "ShipmentAvailableForPickup",
    ShipmentStatus.DELIVERED: "ShipmentDelivered",
    ShipmentStatus.FAILED_ATTEMPT: "ShipmentFailedAttempt",
    ShipmentStatus.EXCEPTION: "ShipmentException",
    ShipmentStatus.RETURN_TO_SENDER: "ShipmentReturnToSender",
}
"""The event that tells of a parcel that has come to a status."""


class FactState(StrEnum):
    """What became of something that was told."""

    RECEIVED = "RECEIVED"
    APPLIED = "APPLIED"
    SET_ASIDE = "SET_ASIDE"
    """No parcel of ours has that number, or it cannot have moved: a person has to look."""
    DISMISSED = "DISMISSED"
    """A person has looked, and nothing is to come of it."""


class Problem(StrEnum):
    """Why a parcel needs a person."""

    EXCEPTION = "EXCEPTION"
    FAILED_ATTEMPT = "FAILED_ATTEMPT"
    RETURN_TO_SENDER = "RETURN_TO_SENDER"
    LATE = "LATE"
    SILENT = "SILENT"


@dataclass(frozen=True, slots=True)
class TrackingFact:
    """Something that was told of one parcel; `id` is ours."""

    id: UUID
    status: ShipmentStatus
    occurred_at: datetime
    code: str | None = None
    description: str | None = None
    place: str | None = None
    estimated_at: datetime | None = None

    @property
    def when(self) -> tuple[datetime, int, datetime, str]:
        """Where it stands among others: by all of what it says, and never by when it came."""
        words = "\0".join(one or "" for one in (self.place, self.description, self.code))
        return self.occurred_at, RANKS[self.status], self.estimated_at or _LONG_AGO, words


def tracked(shipment: Shipment, facts: Iterable[TrackingFact]) -> Shipment:
    """Return a parcel that has left as all of `facts` have it; itself where they change nothing."""
    told = sorted(facts, key=lambda fact: fact.when)
    if not told:
        return shipment
    estimates = [fact.estimated_at for fact in told if fact.estimated_at is not None]
    places = [fact.place for fact in told if fact.place]
    changed = replace(
        shipment,
        status=_status(shipment.status, told),
        delivered_at=min(
            (fact.occurred_at for fact in told if fact.status is ShipmentStatus.DELIVERED),
            default=shipment.delivered_at,
        ),
        estimated_at=estimates[-1] if estimates else shipment.estimated_at,
        position=places[-1] if places else shipment.position,
        told_at=told[-1].occurred_at,
    )
    return shipment if changed == shipment else replace(changed, version=shipment.version + 1)


def status_after(before: ShipmentStatus, told: Sequence[TrackingFact]) -> ShipmentStatus:
    """Return where a parcel is by what was told of it, sorted by `when`; for parcels of any kind."""
    return _status(before, told)


def says_it_left(facts: Iterable[TrackingFact]) -> bool:
    """Say whether a carrier that tells this has the parcel: it scans nothing that it was not given."""
    return any(fact.status in ON_ITS_WAY or fact.status in _GOES for fact in facts)


def is_late(shipment: Shipment, now: datetime) -> bool:
    """Say whether a parcel came, or will come, later than was promised."""
    promised = shipment.promised_until
    if promised is None or shipment.status in _ENDED - {ShipmentStatus.DELIVERED}:
        return False
    if shipment.delivered_at is not None:
        return shipment.delivered_at > promised
    return max(now, shipment.estimated_at or now) > promised


def must_be_told_late(shipment: Shipment, now: datetime) -> bool:
    """Say whether the delay of a parcel under way has to be told: once for each promise."""
    under_way = shipment.has_left and shipment.status not in _ENDED
    return under_way and shipment.late_told_for != shipment.promised_until and is_late(shipment, now)


def problems(shipment: Shipment, now: datetime) -> tuple[Problem, ...]:
    """Return why a parcel needs a person; nothing where it is delivered or on a good way."""
    found = [Problem(shipment.status.value)] if shipment.status.value in Problem.__members__ else []
    if shipment.has_left and shipment.status not in _ENDED:
        if is_late(shipment, now):
            found.append(Problem.LATE)
        heard = max(filter(None, (shipment.told_at, shipment.shipped_at)), default=None)
        if heard is not None and now - heard > SILENT_AFTER:
            found.append(Problem.SILENT)
    return tuple(found)


def with_new_token(shipment: Shipment) -> Shipment:
    """Return a parcel whose tracking tokens of before show nothing any more; raises IllegalTransition."""
    if shipment.token_generation >= _MOST_TOKENS:
        raise IllegalTransition("its token was changed too often", shipment.status.value, (), "id")
    return replace(shipment, token_generation=shipment.token_generation + 1, version=shipment.version + 1)


def next_poll(shipped_at: datetime, now: datetime) -> datetime:
    """Return when a carrier is asked again: often while a parcel is young, daily when it is old."""
    age = now - shipped_at
    if age < timedelta(days=2):
        return now + timedelta(hours=1)
    return now + (timedelta(hours=6) if age < timedelta(days=7) else timedelta(days=1))


def check_readable(update: TrackingUpdate) -> TrackingUpdate:
    """Return what was told, if it can be stored; raises ValueError for what no carrier may say."""
    names = (update.id, update.reference, update.tracking_number)
    if not (update.reference or update.tracking_number):
        raise ValueError("it names no parcel")
    if not all(name is None or (0 < len(name) <= _LONGEST_TEXT and is_storable(name)) for name in names):
        raise ValueError("a name is empty, too long, or cannot be stored")
    if any(moment and moment.utcoffset() is None for moment in (update.occurred_at, update.estimated_at)):
        raise ValueError("the moment names no zone")
    try:
        return replace(
            update,
            occurred_at=in_utc(update.occurred_at),
            estimated_at=in_utc(update.estimated_at) if update.estimated_at else None,
            code=_shortened(update.code),
            description=_shortened(update.description),
            place=_shortened(update.place),
        )
    except InvalidInput as error:
        raise ValueError("the moment lies outside the calendar") from error


_GOES = frozenset({ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER})


def _status(before: ShipmentStatus, told: Sequence[TrackingFact]) -> ShipmentStatus:
    statuses = {fact.status for fact in told} | {before}
    for end in (ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER):
        if end in statuses:
            return end
    moving = [fact.status for fact in told if fact.status in ON_ITS_WAY]
    return moving[-1] if moving else before


def _shortened(text: str | None) -> str | None:
    """Return words for people as they can be kept: cut, and without what cannot be stored."""
    if text is None:
        return None
    return "".join(one if is_storable(one) else " " for one in text[:_LONGEST_TEXT]).strip() or None
