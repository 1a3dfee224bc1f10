"""Parcels that bring returns back: how they are sent, their labels, and where they are.

A return that is to be sent has one plan (source LABEL): a label bought from a carrier that sells such, else a
code to drop it off with. The customer may name a parcel of their own besides (source OWN).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain import tracking
from domain.addresses import Address
from domain.carrier_ports import CustomsLine, LabelFormat, LabelRequest
from domain.kernel.errors import IllegalTransition, LabelRefused
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.return_policies import LabelPayer, ReturnPolicy
from domain.returns import SHOPS_FAULT, Return, ReturnStatus, moved
from domain.shipments import ON_ITS_WAY, LabelState, ParcelSize, Shipment, ShipmentStatus
from domain.tracking import TrackingFact

REMIND_DAYS = 3
"""Days before its deadline at which a customer is reminded, where the shop says nothing else."""
MAX_REMIND_DAYS = 60
MAX_INSTRUCTIONS_LENGTH = 2000
KEEP_EXPIRED_LABELS = timedelta(days=14)
"""How long the label of a return that expired is kept: it may be on its way, and not scanned yet."""

LATE_AFTER = timedelta(minutes=15)
"""How long a carrier may leave a label unanswered before its customer is told, and staff may do otherwise."""
_LONGEST_PAUSE = timedelta(minutes=5)
_MOST_DOUBLINGS = 16

_SENT = ON_ITS_WAY | {ShipmentStatus.DELIVERED, ShipmentStatus.RETURN_TO_SENDER}
_IN_TROUBLE = frozenset(
    {ShipmentStatus.EXCEPTION, ShipmentStatus.FAILED_ATTEMPT, ShipmentStatus.RETURN_TO_SENDER}
)


class ParcelSource(StrEnum):
    """Who says how a return is sent."""

    LABEL = "LABEL"
    """The shop: a label, or a code to drop it off with."""
    OWN = "OWN"
    """The customer, who sends it in their own way and told its number."""
    FORMER = "FORMER"
    """The shop, before staff did otherwise because its carrier gave no answer: should it have sold a label
    all the same, that goes back to it."""


class ReturnWork(StrEnum):
    """Why returns need a person."""

    TO_RECEIVE = "TO_RECEIVE"
    """Their carrier says that they are here, and nobody has counted them."""
    IN_TROUBLE = "IN_TROUBLE"
    """Their parcel is damaged, lost, silent for days, or goes back to the customer."""
    LABEL_FAILED = "LABEL_FAILED"
    """Their carrier refused a label, or has not answered for a quarter of an hour: the customer waits."""


@dataclass(frozen=True, slots=True)
class ReturnShipping:
    """How returns of a channel (None: of every one that says nothing itself) are sent.

    What is None follows from the parcel that brought the units: its location, its carrier, its service.
    """

    id: UUID | None = None
    channel_id: UUID | None = None
    location_id: UUID | None = None
    provider: str | None = None
    service_code: str | None = None
    instructions: str | None = None
    """What the customer has to know, in the shop's own words."""
    remind_days: int = REMIND_DAYS
    """Days before its deadline at which the customer is reminded; 0: never."""
    version: int = 1


@dataclass(frozen=True, slots=True)
class ReturnParcel:
    """One parcel that brings a return back, or is to."""

    id: UUID
    return_id: UUID
    source: ParcelSource
    created_at: datetime
    label_state: LabelState = LabelState.NONE
    status: ShipmentStatus = ShipmentStatus.LABEL_PENDING
    location_id: UUID | None = None
    provider: str | None = None
    carrier: str | None = None
    service_code: str | None = None
    provider_reference: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    drop_off_code: str | None = None
    document_id: UUID | None = None
    document_format: LabelFormat | None = None
    price: Money | None = None
    refusal: tuple[str, str] | None = None
    """Why no label was sold: the carrier's word, and a sentence."""
    estimated_at: datetime | None = None
    delivered_at: datetime | None = None
    told_at: datetime | None = None
    position: str | None = None
    generation: int = 1
    """Counts how often it was planned anew: its label asked for again, or done without."""
    announced_at: datetime | None = None
    """When the customer was first told how it is sent, or that its label takes longer."""

    def is_late(self, now: datetime) -> bool:
        """Say whether its label has been asked for too long for nobody to do anything about it."""
        return self.label_state is LabelState.REQUESTED and now - self.created_at >= LATE_AFTER

    @property
    def was_scanned(self) -> bool:
        """Whether a carrier has had it in hand."""
        return self.status in _SENT

    @property
    def is_in_trouble(self) -> bool:
        """Whether its carrier says that something is wrong with it."""
        return self.status in _IN_TROUBLE


@dataclass(frozen=True, slots=True)
class ReturnLabelAsk:
    """One label to be bought or given back, as it is leased to whoever asks the carrier.

    `requested_at` is when its carrier was last asked to sell it, `planned_at` since when it is wanted.
    """

    parcel_id: UUID
    return_id: UUID
    return_number: str
    generation: int
    attempts: int
    requested_at: datetime
    provider: str | None
    state: LabelState
    canceled: bool
    reference: str | None
    service_code: str | None
    sender: Address
    recipient: Address | None
    contents: tuple[CustomsLine, ...]
    planned_at: datetime
    announced: bool
    """Whether its customer has been told something of it."""

    @property
    def key(self) -> str:
        """The idempotency key: one per parcel, and anew for what is asked after a refusal."""
        return f"return-{self.parcel_id}-{self.generation}"

    @property
    def was_asked_before(self) -> bool:
        """Whether the carrier may know of it."""
        return self.attempts > 1

    def is_late(self, now: datetime) -> bool:
        """Say whether the customer is to be told that it takes longer, which they have not been yet."""
        return not (self.canceled or self.announced) and now - self.planned_at >= LATE_AFTER

    def request(self) -> LabelRequest:
        """Return what the carrier is asked; raises LabelRefused where we do not know enough to ask."""
        if self.recipient is None:
            raise LabelRefused("recipient_address_missing", "the location that it goes to has no address")
        if self.service_code is None:
            raise LabelRefused("service_missing", "nobody said by which of the carrier's services it goes")
        weighed = [line.weight_grams for line in self.contents]
        total = sum((line.weight_grams or 0) * line.quantity for line in self.contents) or None
        return LabelRequest(
            self.sender,
            self.recipient,
            ParcelSize(None if None in weighed else total),
            self.service_code,
            self.return_number,
            self.contents,
        )


def label_is_ours(found: Return, policies: Mapping[UUID, ReturnPolicy]) -> bool:
    """Say whether the shop sees to the label, be it that the customer pays for it with a fee.

    Of lines with different rules what is better for the customer counts; what is the shop's fault, it pays.
    """
    return any(
        line.reason in SHOPS_FAULT
        or policies[line.order_line_id].label_payer is LabelPayer.SHOP
        or policies[line.order_line_id].label_fee_minor > 0
        for line in found.lines
    )


def sent_by(found: Return, shipments: Sequence[Shipment]) -> Shipment | None:
    """Return the newest parcel that brought what a return brings back; None where none of them left."""
    wanted = {line.order_line_id for line in found.lines}
    fitting = [
        one for one in shipments if one.has_left and any(line.order_line_id in wanted for line in one.lines)
    ]
    return max(fitting, key=lambda one: one.id, default=None)


def asked_again(
    parcel: ReturnParcel, provider: str | None, service_code: str | None, code: str, now: datetime
) -> ReturnParcel:
    """Return a plan whose label is asked of `provider`, or (None) done without: it goes by `code` instead.

    In place of a label that was refused, not asked for, or is late; the last becomes a plan of its own beside
    the one that was, of which nobody knows what came. Raises IllegalTransition for one whose label is there,
    or is being bought.
    """
    late = parcel.is_late(now)
    if not late and parcel.label_state not in {LabelState.FAILED, LabelState.NONE}:
        raise IllegalTransition(
            "only a label that was refused, is late, or was not asked for, is bought",
            parcel.label_state.value,
            (),
            "id",
        )
    anew = replace(parcel, created_at=now, generation=parcel.generation + 1, refusal=None)
    if late:
        anew = replace(anew, id=new_id())
    if provider is None:
        announced_at = parcel.announced_at or now
        return replace(
            anew,
            label_state=LabelState.NONE,
            provider=None,
            carrier=None,
            drop_off_code=code,
            announced_at=announced_at,
        )
    return replace(
        anew,
        label_state=LabelState.REQUESTED,
        provider=provider,
        carrier=parcel.carrier if parcel.provider == provider else provider,
        service_code=service_code,
    )


def ready(found: Return, now: datetime, *, waited: bool) -> Return:
    """Return a return that can be sent now: who `waited` for that has as long as if it were approved now."""
    if not waited or found.expires_at is None or found.decided_at is None:
        return found
    until = max(found.expires_at, now + (found.expires_at - found.decided_at))
    return replace(found, expires_at=until, version=found.version + 1)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait before asking again: 1 s, 2 s, 4 s and so on, five minutes at most."""
    return min(timedelta(seconds=2.0 ** min(attempts - 1, _MOST_DOUBLINGS)), _LONGEST_PAUSE)


def tracked(parcel: ReturnParcel, facts: Iterable[TrackingFact]) -> ReturnParcel:
    """Return a parcel as all of `facts` have it, in whatever order they came; itself without any."""
    told = sorted(facts, key=lambda fact: fact.when)
    if not told:
        return parcel
    places = [fact.place for fact in told if fact.place]
    estimates = [fact.estimated_at for fact in told if fact.estimated_at is not None]
    return replace(
        parcel,
        status=tracking.status_after(parcel.status, told),
        delivered_at=min(
            (fact.occurred_at for fact in told if fact.status is ShipmentStatus.DELIVERED),
            default=parcel.delivered_at,
        ),
        estimated_at=estimates[-1] if estimates else parcel.estimated_at,
        position=places[-1] if places else parcel.position,
        told_at=told[-1].occurred_at,
    )


def on_its_way(found: Return, parcel: ReturnParcel, now: datetime) -> Return:
    """Return a return whose parcel was scanned as IN_TRANSIT; one that is further on, or ended, as it is."""
    if not parcel.was_scanned or found.status is not ReturnStatus.APPROVED:
        return found
    return moved(found, ReturnStatus.IN_TRANSIT, now) or found


def told_of(before: ReturnParcel, after: ReturnParcel) -> str | None:
    """Return the kind of the event that tells of a parcel's next step; None where it made none."""
    if after.status is before.status:
        return "ReturnParcelUpdated" if after.position != before.position else None
    if after.status is ShipmentStatus.DELIVERED:
        return "ReturnParcelDelivered"
    if after.is_in_trouble:
        return "ReturnParcelException"
    return "ReturnParcelUpdated" if before.was_scanned else "ReturnInTransit"
